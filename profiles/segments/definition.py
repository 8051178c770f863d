"""A segment's definition as people write it in JSON, and why it is refused."""

from collections.abc import Callable
from typing import Any, Final

from domain.segment import And, Definition, Not, Or
from profiles.segments.conditions import CONDITIONS
from profiles.segments.reading import inside, list_, object_, only, wrong

MAX_DEPTH: Final = 8
MAX_LEAVES: Final = 50


def parse_definition(raw: Any) -> Definition:
    """JSON, already decoded → the tree of `domain.segment`.

    Raises `Refused` with code `invalid_definition` and the place in `detail`: `children[1].window: "24x" is not a
    duration`.
    """
    leaves = 0

    def count_leaf(place: str) -> None:
        nonlocal leaves
        leaves += 1
        if leaves > MAX_LEAVES:
            raise wrong(place, f"a segment may have at most {MAX_LEAVES} conditions")

    return _node(raw, "", 1, count_leaf)


def _node(raw: Any, place: str, depth: int, count_leaf: Callable[[str], None]) -> Definition:
    raw = object_(raw, place)
    if depth > MAX_DEPTH:
        raise wrong(place, f"may be nested at most {MAX_DEPTH} deep")
    kind = raw.get("type")
    if kind in ("and", "or"):
        only(raw, place, "type", "children")
        children = list_(raw, place, "children", MAX_LEAVES)
        if not children:
            raise wrong(inside(place, "children"), "must not be empty")
        nodes = tuple(
            _node(child, f"{inside(place, 'children')}[{position}]", depth + 1, count_leaf)
            for position, child in enumerate(children)
        )
        return And(nodes) if kind == "and" else Or(nodes)
    if kind == "not":
        only(raw, place, "type", "child")
        return Not(_node(raw.get("child"), inside(place, "child"), depth + 1, count_leaf))
    read = CONDITIONS.get(kind) if isinstance(kind, str) else None
    if read is None:
        known = ", ".join(f'"{each}"' for each in (*CONDITIONS, "and", "or", "not"))
        raise wrong(inside(place, "type"), f"must be one of {known}")
    count_leaf(place)
    return read(raw, place)
