"""A segment's definition as people write it in JSON, and why it is refused."""

from collections.abc import Callable
from typing import Any, Final, get_args

import msgspec

from domain.errors import Refused
from domain.segment import And, Comparison, Count, Definition, Not, Or, Trait, TraitOperator, Where
from profiles.segments.duration import DAY, parse_duration

MAX_DEPTH: Final = 8
MAX_LEAVES: Final = 50
MAX_WINDOW_DAYS: Final = 400
MAX_N: Final = 1_000
MAX_WHERE: Final = 10
MAX_TEXT: Final = 200
MAX_LIST: Final = 100

_COMPARISONS: Final = get_args(Comparison)
_OPERATORS: Final = get_args(TraitOperator)


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
            raise _wrong(place, f"a segment may have at most {MAX_LEAVES} conditions")

    return _node(raw, "", 1, count_leaf)


def _wrong(place: str, problem: str) -> Refused:
    return Refused(f"{place or 'definition'}: {problem}", code="invalid_definition")


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004 - about half a line


def _inside(place: str, field: str) -> str:
    return f"{place}.{field}" if place else field


def _node(raw: Any, place: str, depth: int, count_leaf: Callable[[str], None]) -> Definition:
    if not isinstance(raw, dict):
        raise _wrong(place, "must be an object")
    if depth > MAX_DEPTH:
        raise _wrong(place, f"may be nested at most {MAX_DEPTH} deep")
    kind = raw.get("type")
    if kind in ("and", "or"):
        _only(raw, place, ("type", "children"))
        children = _list(raw, place, "children", MAX_LEAVES)
        if not children:
            raise _wrong(_inside(place, "children"), "must not be empty")
        nodes = tuple(
            _node(child, f"{_inside(place, 'children')}[{position}]", depth + 1, count_leaf)
            for position, child in enumerate(children)
        )
        return And(nodes) if kind == "and" else Or(nodes)
    if kind == "not":
        _only(raw, place, ("type", "child"))
        return Not(_node(raw.get("child"), _inside(place, "child"), depth + 1, count_leaf))
    count_leaf(place)
    if kind == "count":
        return _count(raw, place)
    if kind == "trait":
        _only(raw, place, ("type", "name", "op", "value"))
        op = _operator(raw, place, _OPERATORS)
        return Trait(_text(raw, place, "name"), op, _value(raw, place, op))
    raise _wrong(_inside(place, "type"), 'must be one of "count", "trait", "and", "or", "not"')


def _count(raw: dict[str, Any], place: str) -> Count:
    _only(raw, place, ("type", "event", "op", "n", "window", "where"))
    n = raw.get("n")
    if not isinstance(n, int) or isinstance(n, bool) or not 0 <= n <= MAX_N:
        raise _wrong(_inside(place, "n"), f"must be a whole number from 0 to {MAX_N}")
    conditions = _list(raw, place, "where", MAX_WHERE) if "where" in raw else []
    return Count(
        event=_text(raw, place, "event"),
        op=_operator(raw, place, _COMPARISONS),
        n=n,
        window=_window(raw, place),
        where=tuple(
            _where(condition, f"{_inside(place, 'where')}[{position}]") for position, condition in enumerate(conditions)
        ),
    )


def _window(raw: dict[str, Any], place: str) -> str:
    window = _text(raw, place, "window")
    try:
        micros = parse_duration(window)
    except ValueError:
        raise _wrong(_inside(place, "window"), f"{_shown(window)} is not a duration") from None
    if micros > MAX_WINDOW_DAYS * DAY:
        raise _wrong(_inside(place, "window"), f"may be at most {MAX_WINDOW_DAYS} days")
    return window


def _where(raw: Any, place: str) -> Where:
    if not isinstance(raw, dict):
        raise _wrong(place, "must be an object")
    _only(raw, place, ("property", "op", "value"))
    op = _operator(raw, place, _OPERATORS)
    return Where(_text(raw, place, "property"), op, _value(raw, place, op))


def _only(raw: dict[str, Any], place: str, fields: tuple[str, ...]) -> None:
    for field in raw:
        if field not in fields:
            raise _wrong(_inside(place, str(field)[:MAX_TEXT]), "is not known here")


def _text(raw: dict[str, Any], place: str, field: str) -> str:
    value = raw.get(field)
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT or "\0" in value:
        raise _wrong(_inside(place, field), f"must be a text of 1 to {MAX_TEXT} characters")
    return value


def _list(raw: dict[str, Any], place: str, field: str, limit: int) -> list[Any]:
    value = raw.get(field)
    if not isinstance(value, list) or len(value) > limit:
        raise _wrong(_inside(place, field), f"must be a list of at most {limit}")
    return value


def _operator(raw: dict[str, Any], place: str, allowed: tuple[str, ...]) -> Any:
    op = raw.get("op")
    if op not in allowed:
        raise _wrong(_inside(place, "op"), f"must be one of {', '.join(allowed)}")
    return op


def _value(raw: dict[str, Any], place: str, op: TraitOperator) -> Any:
    value = raw.get("value", True if op == "exists" else None)
    here = _inside(place, "value")
    if op == "exists":
        if not isinstance(value, bool):
            raise _wrong(here, "must be true or false")
    elif op == "in":
        if not isinstance(value, list) or len(value) > MAX_LIST or not all(_scalar(item) for item in value):
            raise _wrong(here, f"must be a list of at most {MAX_LIST} texts, numbers or booleans")
    elif op in (">", ">=", "<", "<="):
        if isinstance(value, bool) or not isinstance(value, str | int | float) or not _scalar(value):
            raise _wrong(here, "must be a number or a text")
    elif "value" not in raw or not _scalar(value):
        raise _wrong(here, f"must be a text of at most {MAX_TEXT} characters, a number, a boolean or null")
    return value


def _scalar(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_TEXT and "\0" not in value
    return value is None or isinstance(value, bool | int | float)
