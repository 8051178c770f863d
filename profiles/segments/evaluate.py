"""From what happened to a profile to the segments it enters and leaves: what is touched is judged, at one instant."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain.clock import from_micros, to_micros
from domain.segment import ChangeKind
from profiles.segments.index import Index, Segment
from profiles.segments.leaf import CountLeaf, TraitLeaf
from stores.profiles import LeafState, Membership, Profile

Cause = dict[str, Any]

_LOOK_AHEAD: Final = 64
"""Flips to look through for the end of a membership; beyond that it has no known end."""


class Touch:
    """What one transaction brings to one profile: stamps for leaves, and a cause for each segment to judge again."""

    __slots__ = ("causes", "due", "instants", "rebuild", "stamps")

    def __init__(self) -> None:
        self.stamps: dict[bytes, list[int]] = {}
        self.causes: dict[Segment, Cause] = {}
        self.instants: dict[Segment, datetime] = {}
        """Where the cause has an instant of its own, before now."""
        self.due: set[bytes] = set()
        """Leaves whose timers must be set anew."""
        self.rebuild: set[bytes] = set()
        """Leaves whose states are to be taken from the history of events, which holds this transaction's too."""

    def event(self, index: Index, name: str, properties: dict[str, Any], stamp: int, cause: Cause) -> None:
        """Let an event reach the leaves that listen to its name."""
        for leaf in index.by_event.get(name, ()):
            if leaf.keep and leaf.matches(properties):
                self.stamps.setdefault(leaf.key, []).append(stamp)
                self.leaf(index, leaf.key, cause)

    def traits(self, index: Index, names: Iterable[str], cause: Cause) -> None:
        """Let changed traits reach the leaves that compare them."""
        for name in names:
            for leaf in index.by_trait.get(name, ()):
                self.leaf(index, leaf.key, cause)

    def leaf(self, index: Index, key: bytes, cause: Cause) -> None:
        """Judge the segments of one leaf again."""
        for segment in index.by_leaf[key]:
            self.causes[segment] = cause

    def everything(self, index: Index, cause: Cause) -> None:
        """Judge all segments again."""
        for segment in index.segments.values():
            self.causes[segment] = cause

    def birth(self, index: Index, cause: Cause) -> None:
        """Judge the segments that hold anybody of whom nothing is known."""
        for segment in index.at_birth:
            self.causes.setdefault(segment, cause)


class Move(NamedTuple):
    """A segment that was entered or left."""

    segment_id: UUID
    segment_key: str
    segment_version: int
    kind: ChangeKind
    at: datetime
    cause: Cause


class _Bits(dict[bytes, bool]):
    """The truth of leaves for one profile at one instant, found when asked for."""

    def __init__(self, profile: Profile, leaves: Mapping[bytes, CountLeaf | TraitLeaf], now: int) -> None:
        super().__init__()
        self._profile = profile
        self._leaves = leaves
        self._now = now

    def __missing__(self, key: bytes) -> bool:
        leaf = self._leaves[key]
        if isinstance(leaf, TraitLeaf):
            truth = leaf.truth(self._profile.traits)
        else:
            state = self._profile.leaves.get(key)
            truth = leaf.truth(state.stamps if state else (), self._now)
        self[key] = truth
        return truth


def stamp(profile: Profile, index: Index, touch: Touch, now: int) -> list[bytes]:
    """Add the touch's stamps to the profile's leaves and return the keys of those that changed."""
    changed = []
    for key, stamps in touch.stamps.items():
        leaf = index.counts[key]
        state = profile.leaves.get(key)
        newest = leaf.newest(stamps if state is None else [*state.stamps, *stamps])
        if state is None:
            state = profile.leaves[key] = LeafState(newest)
        elif state.stamps == newest:
            continue
        state.stamps = newest
        state.due_at = next_look(leaf, state, now)
        changed.append(key)
    return changed


def next_look(leaf: CountLeaf, state: LeafState, now: int) -> datetime | None:
    """When the leaf must be looked at again: at its next flip, or at an earlier instant that is already noted.

    A window that slides with every event would move its timer with every event. Keeping the earlier one costs one
    idle look per window and spares an index update per event.
    """
    flip = leaf.flip(state.stamps, now)
    noted = state.due_at
    if noted is not None and now < to_micros(noted) and (flip is None or to_micros(noted) <= flip):
        return noted
    return None if flip is None else from_micros(flip)


def judge(profile: Profile, index: Index, touch: Touch, now: datetime) -> tuple[list[Move], list[Membership]]:
    """Judge the touched segments, change the profile's memberships, and return the moves and what to store of them.

    The memberships returned are those that began or whose end moved; a move out needs no more than itself. Someone who
    has objected or restricted the use of their data is in no segment.
    """
    micros = to_micros(now)
    bits = _Bits(profile, index.leaves, micros)
    moves: list[Move] = []
    stored: list[Membership] = []
    for segment, cause in touch.causes.items():
        segment_id = segment.id
        held = profile.memberships.get(segment_id)
        at = touch.instants.get(segment, now)
        if profile.holds.profiling or not segment.tree(bits):
            if held is not None:
                del profile.memberships[segment_id]
                moves.append(Move(segment_id, segment.key, segment.version, ChangeKind.EXITED, at, cause))
            continue
        ends = _end(segment, profile, index, micros)
        if held is None:
            held = Membership(segment_id, segment.key, segment.version, at, ends, cause)
            profile.memberships[segment_id] = held
            moves.append(Move(segment_id, segment.key, segment.version, ChangeKind.ENTERED, at, cause))
        elif held.segment_version == segment.version and _near(held.expires_at, ends, now):
            continue
        held.expires_at, held.segment_version = ends, segment.version
        stored.append(held)
    return moves, stored


def _near(noted: datetime | None, ends: datetime | None, now: datetime) -> bool:
    """Tell whether a noted end need not be written again: it would move later by less than a hundredth of what is left.

    A window that slides moves the end of a membership with every event.
    """
    if noted is None or ends is None:
        return noted is ends
    return noted <= ends and (ends - noted) * 100 < ends - now


def _end(segment: Segment, profile: Profile, index: Index, now: int) -> datetime | None:
    """Look ahead to when a segment that is true now stops to be, if nothing else happens."""
    if not segment.counts:
        return None
    instant = now
    for _ in range(_LOOK_AHEAD):
        flips = [
            flip
            for leaf in segment.counts
            if (state := profile.leaves.get(leaf.key)) and (flip := leaf.flip(state.stamps, instant)) is not None
        ]
        if not flips:
            return None
        instant = min(flips)
        if not segment.tree(_Bits(profile, index.leaves, instant)):
            return from_micros(instant)
    return None
