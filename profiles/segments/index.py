"""A workspace's segments, compiled so that an event touches only the conditions that listen to it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from uuid import UUID

from domain.segment import And, Count, Definition, Not, Trait
from profiles.segments.leaf import CountLeaf, TraitLeaf, is_negated

Bits = Mapping[bytes, bool]
"""The truth of each leaf, by key."""

Tree = Callable[[Bits], bool]


class Segment:
    """One compiled definition. `counts` are the leaves that time can change."""

    __slots__ = ("counts", "id", "key", "leaves", "tree", "version")

    def __init__(self, id: UUID, key: str, version: int, definition: Definition) -> None:  # noqa: A002 - its field's name
        self.id = id
        self.key = key
        self.version = version
        self.leaves: dict[bytes, CountLeaf | TraitLeaf] = {}
        self.tree = _compile(definition, self.leaves)
        self.counts = tuple(leaf for leaf in self.leaves.values() if isinstance(leaf, CountLeaf))


class Index:
    """What listens to what. Equal leaves of different segments are one leaf here."""

    def __init__(self, segments: Iterable[Segment]) -> None:
        self.segments = {segment.id: segment for segment in segments}
        self.leaves: dict[bytes, CountLeaf | TraitLeaf] = {}
        by_leaf: dict[bytes, list[Segment]] = defaultdict(list)
        for segment in self.segments.values():
            for key, leaf in segment.leaves.items():
                by_leaf[key].append(segment)
                self.leaves.setdefault(key, leaf)
        self.by_leaf: dict[bytes, tuple[Segment, ...]] = {key: tuple(those) for key, those in by_leaf.items()}
        self.counts = {key: leaf for key, leaf in self.leaves.items() if isinstance(leaf, CountLeaf)}
        self.by_event: dict[str, tuple[CountLeaf, ...]] = {}
        self.by_trait: dict[str, tuple[TraitLeaf, ...]] = {}
        for leaf in self.leaves.values():
            if isinstance(leaf, CountLeaf):
                self.by_event[leaf.event] = (*self.by_event.get(leaf.event, ()), leaf)
            else:
                self.by_trait[leaf.name] = (*self.by_trait.get(leaf.name, ()), leaf)
        unknown = {
            key: leaf.truth((), 0) if isinstance(leaf, CountLeaf) else leaf.truth({})
            for key, leaf in self.leaves.items()
        }
        self.at_birth = tuple(segment for segment in self.segments.values() if segment.tree(unknown))
        """Segments that hold somebody of whom nothing is known."""


def _compile(node: Definition, leaves: dict[bytes, CountLeaf | TraitLeaf]) -> Tree:
    if isinstance(node, Count):
        count = CountLeaf(node)
        leaves.setdefault(count.key, count)
        return _literal(count.key, negated=is_negated(node))
    if isinstance(node, Trait):
        trait = TraitLeaf(node)
        leaves.setdefault(trait.key, trait)
        return _literal(trait.key, negated=False)
    if isinstance(node, Not):
        inner = _compile(node.child, leaves)
        return lambda bits: not inner(bits)
    parts = tuple(_compile(child, leaves) for child in node.children)
    if len(parts) == 1:
        return parts[0]
    return _every(parts) if isinstance(node, And) else _some(parts)


# Loops, not all() and any() over generators: these run several times per event.
def _every(parts: tuple[Tree, ...]) -> Tree:
    def every(bits: Bits) -> bool:
        for part in parts:  # noqa: SIM110 - for speed, as said
            if not part(bits):
                return False
        return True

    return every


def _some(parts: tuple[Tree, ...]) -> Tree:
    def some(bits: Bits) -> bool:
        for part in parts:  # noqa: SIM110 - for speed, as said
            if part(bits):
                return True
        return False

    return some


def _literal(key: bytes, *, negated: bool) -> Tree:
    if negated:
        return lambda bits: not bits[key]
    return lambda bits: bits[key]
