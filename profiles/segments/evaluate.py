"""From what happened to a profile to the segments it enters and leaves: what is touched is judged, at one instant."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain.clock import from_micros, to_micros
from domain.segment import ChangeKind
from profiles.segments.index import Index, Segment, Truth
from profiles.segments.leaf import Keeper, Moment
from profiles.segments.shared import flipped
from stores.profiles import LeafState, Membership, Profile

Cause = dict[str, Any]

_LOOK_AHEAD: Final = 64
"""Flips to look through for the next change of a membership; beyond that none is known."""


class Touch:
    """What one transaction brings to one profile: moments for leaves, and a cause for each segment to judge again."""

    __slots__ = ("causes", "due", "instants", "moments", "rebuild")

    def __init__(self) -> None:
        self.moments: dict[bytes, list[Moment]] = {}
        self.causes: dict[Segment, Cause] = {}
        self.instants: dict[Segment, datetime] = {}
        """Where the cause has an instant of its own, before now."""
        self.due: set[bytes] = set()
        """States whose timers must be set anew."""
        self.rebuild: set[bytes] = set()
        """States that are to be taken from the history of events, which holds this transaction's too."""

    def event(self, index: Index, name: str, properties: dict[str, Any], stamp: int, cause: Cause) -> None:
        """Let an event reach the leaves that listen to its name."""
        for keeper in index.by_event.get(name, ()):
            moment = keeper.moment(name, properties, stamp)
            if moment is not None:
                self.moments.setdefault(keeper.state, []).append(moment)
                self.state(index, keeper.state, cause)
        for session in index.sessions:
            self.moments.setdefault(session.state, []).append(session.moment(name, properties, stamp))
            self.state(index, session.state, cause)

    def time(self, index: Index, profile: Profile, state: bytes, due: datetime, now: datetime) -> None:
        """Let the leaves of a state that was due change by themselves, each at its own instant."""
        state = index.former.get(state, state)
        kept = profile.leaves.get(state)
        if kept is None or kept.due_at is None or kept.due_at > now:
            return  # somebody else has looked already
        self.due.add(state)
        for key, instant in flipped(index.leaves_of.get(state, ()), kept.stamps, to_micros(due), to_micros(now)):
            at = from_micros(instant)
            cause = {"timer": at.isoformat()}
            for segment in index.by_leaf[key]:
                self.causes[segment], self.instants[segment] = cause, at

    def traits(self, index: Index, names: Iterable[str], cause: Cause) -> None:
        """Let changed traits reach the leaves that compare them."""
        for name in names:
            for leaf in index.by_trait.get(name, ()):
                self.leaf(index, leaf.key, cause)

    def scores(self, index: Index, models: Iterable[str], cause: Cause) -> None:
        """Let changed scores reach the leaves that compare them."""
        for model in models:
            for leaf in index.by_model.get(model, ()):
                self.leaf(index, leaf.key, cause)

    def state(self, index: Index, state: bytes, cause: Cause) -> None:
        """Judge the segments of all leaves of one state again."""
        for segment in index.by_state[state]:
            self.causes[segment] = cause

    def leaf(self, index: Index, key: bytes, cause: Cause) -> None:
        """Judge the segments of one leaf again."""
        for segment in index.by_leaf[key]:
            self.causes[segment] = cause

    def segment(self, index: Index, segment: UUID, cause: Cause) -> None:
        """Judge a segment again, and those that speak of it."""
        for each in index.concerns.get(segment, ()):
            self.causes[each] = cause

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


def stamp(profile: Profile, index: Index, touch: Touch, now: int) -> list[bytes]:
    """Take the touch's moments into the profile's states and return the names of those that changed.

    A state that cannot tell without the history joins `touch.rebuild`.
    """
    changed = []
    seen = to_micros(profile.last_seen_at)
    for key, moments in touch.moments.items():
        keeper = index.kept[key]
        state = profile.leaves.get(key)
        kept = keeper.fold(state.stamps if state else (), moments, seen)
        if kept is None:
            touch.rebuild.add(key)
            continue
        if kept == (state.stamps if state else []):
            continue
        if state is None:
            state = profile.leaves[key] = LeafState(kept)
        state.stamps = kept
        state.due_at = next_look(keeper, state, now)
        changed.append(key)
    touch.moments = {}
    return changed


def next_look(keeper: Keeper, state: LeafState, now: int) -> datetime | None:
    """When the state must be looked at again: at its next flip, or at an earlier instant that is already noted.

    A window that slides with every event would move its timer with every event. Keeping the earlier one costs one
    idle look per window and spares an index update per event.
    """
    flip = keeper.flip(state.stamps, now)
    noted = state.due_at
    if noted is not None and now < to_micros(noted) and (flip is None or to_micros(noted) <= flip):
        return noted
    return None if flip is None else from_micros(flip)


def truth_of(profile: Profile, index: Index, now: int) -> Truth:
    """Ask what is true of a profile at an instant, in microseconds."""
    return Truth(index, profile.traits, profile.scores, profile.leaves, now)


def judge(profile: Profile, index: Index, touch: Touch, now: datetime) -> tuple[list[Move], list[Membership]]:
    """Judge the touched segments, change the profile's memberships, and return the moves and what to store of them.

    The memberships returned are those that began or whose end moved; a move out needs no more than itself. Someone who
    has objected or restricted the use of their data is in no segment.
    """
    micros = to_micros(now)
    bits = truth_of(profile, index, micros)
    moves: list[Move] = []
    stored: list[Membership] = []
    excluded, memberships, instants = profile.holds.profiling, profile.memberships, touch.instants
    for segment, cause in touch.causes.items():
        segment_id = segment.id
        held = memberships.get(segment_id)
        if excluded or not segment.tree(bits):
            if held is not None:
                del memberships[segment_id]
                at = instants.get(segment, now)
                moves.append(Move(segment_id, segment.key, segment.version, ChangeKind.EXITED, at, cause))
            continue
        ends = next_change(segment, profile, index, micros, held=True)
        if held is None:
            at = instants.get(segment, now)
            held = Membership(segment_id, segment.key, segment.version, at, ends, cause)
            memberships[segment_id] = held
            moves.append(Move(segment_id, segment.key, segment.version, ChangeKind.ENTERED, at, cause))
        elif held.stored and held.segment_version == segment.version and _near(held.expires_at, ends, now):
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


def next_change(segment: Segment, profile: Profile, index: Index, now: int, *, held: bool) -> datetime | None:
    """Look ahead to when a profile enters or leaves a segment if nothing else happens; None if never, or far off.

    `held` is whether the segment is true of it now.
    """
    states = profile.leaves
    kept = [(leaf, states[leaf.state].stamps) for leaf in index.kept_of[segment.id] if leaf.state in states]
    instant = now
    for _ in range(_LOOK_AHEAD):
        flips = [flip for leaf, numbers in kept if (flip := leaf.flip(numbers, instant)) is not None]
        if not flips:
            return None
        instant = min(flips)
        if segment.tree(truth_of(profile, index, instant)) is not held:
            return from_micros(instant)
    return None
