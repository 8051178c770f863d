"""A workspace's segments, compiled so that an event touches only the conditions that listen to it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeGuard, TypeVar
from uuid import UUID

from domain.segment import (
    And,
    Count,
    Definition,
    Distinct,
    InSegment,
    Not,
    Or,
    Rfm,
    Score,
    Session,
    Sum,
    ThenNot,
    Trait,
)
from domain.segment import Sequence as Steps
from profiles.segments.cell import spread
from profiles.segments.leaf import CountLeaf, Keeper, KeptLeaf, ScoreLeaf, SegmentLeaf, TraitLeaf, is_negated
from profiles.segments.sequence import SequenceLeaf
from profiles.segments.session import SessionLeaf
from profiles.segments.shared import Shared
from profiles.segments.tally import DistinctLeaf, SumLeaf, ValueLeaf
from profiles.segments.unanswered import ThenNotLeaf
from stores.profiles import LeafState

Bits = Mapping[bytes, bool]
"""The truth of each leaf, by key."""

Tree = Callable[[Bits], bool]

Name = TypeVar("Name")
Listener = TypeVar("Listener")

Leaf = KeptLeaf | TraitLeaf | ScoreLeaf | SegmentLeaf


class Segment:
    """One compiled definition. `kept` are the leaves that time can change."""

    __slots__ = ("definition", "id", "kept", "key", "leaves", "tree", "version")

    def __init__(self, id: UUID, key: str, version: int, definition: Definition) -> None:  # noqa: A002 - its field's name
        self.id = id
        self.key = key
        self.version = version
        self.definition = definition
        self.leaves: dict[bytes, Leaf] = {}
        self.tree = _compile(definition, self.leaves)
        self.kept = tuple(leaf for leaf in self.leaves.values() if is_kept(leaf))


class Index:
    """What listens to what. Equal leaves of different segments are one leaf here.

    A segment that speaks of another one listens to whatever that one listens to.
    """

    def __init__(self, segments: Iterable[Segment]) -> None:
        self.segments = {segment.id: segment for segment in segments}
        self.by_key = {segment.key: segment for segment in self.segments.values()}
        self.leaves: dict[bytes, Leaf] = {}
        self.kept_of: dict[UUID, tuple[KeptLeaf, ...]] = {}
        """For each segment, the leaves that time can change, those of segments that it speaks of too."""
        self.concerns: dict[UUID, tuple[Segment, ...]] = {}
        """For each segment, itself and those that speak of it."""
        by_leaf: dict[bytes, list[Segment]] = defaultdict(list)
        concerns: dict[UUID, list[Segment]] = defaultdict(list)
        for segment in self.segments.values():
            reached = list(self._reach(segment))
            leaves = {key: leaf for each in reached for key, leaf in each.leaves.items()}
            self.kept_of[segment.id] = tuple(leaf for leaf in leaves.values() if is_kept(leaf))
            for each in reached:
                concerns[each.id].append(segment)
            for key, leaf in leaves.items():
                by_leaf[key].append(segment)
                self.leaves.setdefault(key, leaf)
        self.concerns = {id_: tuple(those) for id_, those in concerns.items()}
        self.by_leaf: dict[bytes, tuple[Segment, ...]] = {key: tuple(those) for key, those in by_leaf.items()}
        self.timed: dict[bytes, KeptLeaf] = {key: leaf for key, leaf in self.leaves.items() if is_kept(leaf)}
        """The leaves that time can change."""
        self.leaves_of = _grouped((leaf.state, leaf) for leaf in self.timed.values())
        """The leaves of each state."""
        self.kept: dict[bytes, Keeper] = {
            state: leaves[0] if len(leaves) == 1 else Shared(leaves) for state, leaves in self.leaves_of.items()
        }
        """What is kept for each profile, by the name of the state."""
        self.by_state: dict[bytes, tuple[Segment, ...]] = {
            state: tuple(dict.fromkeys(segment for leaf in leaves for segment in self.by_leaf[leaf.key]))
            for state, leaves in self.leaves_of.items()
        }
        self.former = {leaf.key: leaf.state for leaf in self.timed.values() if leaf.key != leaf.state}
        """Names under which some leaves once kept states of their own, and the states that they share now."""
        self.by_event = _grouped((name, keeper) for keeper in self.kept.values() for name in keeper.events)
        self.by_trait = _grouped((leaf.name, leaf) for leaf in self.leaves.values() if isinstance(leaf, TraitLeaf))
        self.by_model = _grouped((leaf.model, leaf) for leaf in self.leaves.values() if isinstance(leaf, ScoreLeaf))
        self.sessions = tuple(leaf for leaf in self.timed.values() if isinstance(leaf, SessionLeaf))
        """Leaves that listen to whatever happens."""
        unknown = Truth(self, {}, {}, {}, 0)
        self.at_birth = tuple(segment for segment in self.segments.values() if segment.tree(unknown))
        """Segments that hold somebody of whom nothing is known."""

    def _reach(self, segment: Segment) -> Iterator[Segment]:
        """Give a segment and those that it speaks of, each once."""
        found = {segment.id: segment}
        waiting = [segment]
        while waiting:
            for leaf in waiting.pop().leaves.values():
                other = self.by_key.get(leaf.segment_key) if isinstance(leaf, SegmentLeaf) else None
                if other is not None and other.id not in found:
                    found[other.id] = other
                    waiting.append(other)
        yield from found.values()


class Truth(dict[bytes, bool]):
    """The truth of leaves for one profile at one instant, found when asked for.

    `traits`, `scores` and `leaves` as a profile has them; `now` in microseconds.
    """

    def __init__(
        self,
        index: Index,
        traits: Mapping[str, Mapping[str, object]],
        scores: Mapping[str, Mapping[str, object]],
        leaves: Mapping[bytes, LeafState],
        now: int,
    ) -> None:
        self._index = index
        self._traits = traits
        self._scores = scores
        self._leaves = leaves
        self._now = now

    def __missing__(self, key: bytes) -> bool:
        """Find the truth of one leaf."""
        leaf = self._index.timed.get(key)
        if leaf is not None:
            state = self._leaves.get(leaf.state)
            truth = leaf.truth(state.stamps if state else (), self._now)
        else:
            truth = self._of(self._index.leaves[key])
        self[key] = truth
        return truth

    def _of(self, leaf: Leaf) -> bool:
        """Find the truth of a leaf that keeps nothing of its own."""
        if isinstance(leaf, TraitLeaf):
            return leaf.truth(self._traits)
        if isinstance(leaf, ScoreLeaf):
            return leaf.truth(self._scores)
        if not isinstance(leaf, SegmentLeaf):
            raise TypeError(type(leaf).__name__)
        # Definitions that speak of each other in a circle are refused; should one be there, it must end somewhere.
        self[leaf.key] = False
        other = self._index.by_key.get(leaf.segment_key)
        return other is not None and other.tree(self)


def is_kept(leaf: Leaf) -> TypeGuard[KeptLeaf]:
    """Tell whether a leaf keeps something of its own for each profile."""
    return not isinstance(leaf, TraitLeaf | ScoreLeaf | SegmentLeaf)


def _compile(node: Definition, leaves: dict[bytes, Leaf]) -> Tree:
    if isinstance(node, Not):
        inner = _compile(node.child, leaves)
        return lambda bits: not inner(bits)
    if isinstance(node, Rfm):
        return _compile(spread(node), leaves)
    if isinstance(node, And | Or):
        parts = tuple(_compile(child, leaves) for child in node.children)
        if len(parts) == 1:
            return parts[0]
        return _every(parts) if isinstance(node, And) else _some(parts)
    leaf = leaf_of(node)
    leaves.setdefault(leaf.key, leaf)
    negated = isinstance(node, Count | Sum | Distinct) and is_negated(node.op)
    return _literal(leaf.key, negated=negated)


def leaf_of(node: Definition) -> Leaf:
    """Compile one condition. Raises `KeyError` for a node that joins others."""
    if isinstance(node, Count) and node.by is not None:
        return ValueLeaf(node)
    return _LEAVES[type(node)](node)


_LEAVES: Final[dict[type, Callable[[Any], Leaf]]] = {
    Count: CountLeaf,
    Sum: SumLeaf,
    Distinct: DistinctLeaf,
    ThenNot: ThenNotLeaf,
    Steps: SequenceLeaf,
    Session: SessionLeaf,
    InSegment: SegmentLeaf,
    Score: ScoreLeaf,
    Trait: TraitLeaf,
}


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


def _grouped(pairs: Iterable[tuple[Name, Listener]]) -> dict[Name, tuple[Listener, ...]]:
    groups: dict[Name, list[Listener]] = defaultdict(list)
    for name, listener in pairs:
        groups[name].append(listener)
    return {name: tuple(those) for name, those in groups.items()}
