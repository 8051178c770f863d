"""The conditions of a definition, and of which other segments they speak."""

from collections.abc import Iterator, Mapping

from domain.segment import And, Definition, InSegment, Leaf, Not, Or
from profiles.segments.reading import inside, wrong


def leaves_of(node: Definition, place: str = "") -> Iterator[tuple[str, Leaf]]:
    """List the conditions of a definition with their places, from left to right."""
    if isinstance(node, Not):
        yield from leaves_of(node.child, inside(place, "child"))
    elif isinstance(node, And | Or):
        for position, child in enumerate(node.children):
            yield from leaves_of(child, f"{inside(place, 'children')}[{position}]")
    else:
        yield place, node


def check_references(key: str, definition: Definition, others: Mapping[str, Definition]) -> None:
    """Refuse a definition of `key` that speaks of a segment that is not there, or that in turn speaks of `key`.

    `others` are the workspace's segments by key. Raises `Refused` with the place in `detail`.
    """
    for place, leaf in leaves_of(definition):
        if isinstance(leaf, InSegment):
            here = inside(place, "key")
            if leaf.key != key and leaf.key not in others:
                raise wrong(here, "there is no segment with this key")
            if leaf.key == key or key in _spoken_of(leaf.key, others):
                raise wrong(here, "a segment may not depend on itself, by way of others either")


def speakers(key: str, others: Mapping[str, Definition]) -> list[str]:
    """Name the segments whose definitions speak of one."""
    return sorted(name for name, each in others.items() if key in _segments_of(each))


def _spoken_of(key: str, others: Mapping[str, Definition]) -> set[str]:
    found: set[str] = set()
    waiting = [key]
    while waiting:
        named = _segments_of(others[waiting.pop()])
        waiting += [each for each in named - found if each in others]
        found |= named
    return found


def _segments_of(node: Definition) -> set[str]:
    return {leaf.key for _, leaf in leaves_of(node) if isinstance(leaf, InSegment)}
