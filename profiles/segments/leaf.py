"""One condition of a segment in its normal form: what is kept for it per profile, and what time does to it.

A window is `(now - window, now]`. A count needs only its newest stamps: whatever is older can neither make it true nor
keep it true, so the state is exact and small, and the state of two merged profiles is the newest of their union.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b, sha256
from typing import Any, Final, Protocol

import msgspec

from domain.clock import to_micros
from domain.event import CallType, ProtectedEvent
from domain.segment import Count, InSegment, Score, Trait, Where
from profiles.segments.comparison import MISSING, Test, compile_comparison
from profiles.segments.duration import parse_duration

Happened = tuple[str, dict[str, Any], int]
"""An event as leaves see it: its name, its properties, and its stamp."""

Moment = tuple[int, Any]
"""What a leaf takes of one event: the event's stamp, and what else it needs."""

AT_LEAST: Final = {">=": 0, ">": 1, "<": 0, "<=": 1}
"""What to add to `n`, so that the comparison or its negation says "at least"."""

_EXACT: Final = 2**53
"""Below this, a number with a point can be the same as one without."""

_KEY_BYTES: Final = 16
_ROOM: Final = 8
_ROOM_GROWS: Final = 4
_NEGATED: Final = ("<", "<=", "!=")


class Keeper(Protocol):
    """What keeps some numbers for each profile, and changes by itself as time passes."""

    @property
    def state(self) -> bytes:
        """Names what is kept: leaves that keep the same, and differ in what they ask of it, share one state."""

    @property
    def events(self) -> tuple[str, ...]:
        """The events that it listens to; none for one that listens to all."""

    @property
    def horizon(self) -> int:
        """How old an event may be that still matters, in microseconds."""

    def moment(self, name: str, properties: dict[str, Any], stamp: int) -> Moment | None:
        """Take what is needed of an event; None where it does not matter."""

    def fold(self, kept: Sequence[int], moments: Sequence[Moment], seen: int) -> list[int] | None:
        """Add moments to what is kept; None where only the whole history can tell.

        `seen` is the stamp of the newest thing that the profile did, of whatever kind.
        """

    def build(self, moments: Iterable[Moment]) -> list[int]:
        """Tell what is kept of a whole history, in any order."""

    def join(self, kept: Sequence[int], other: Sequence[int]) -> list[int] | None:
        """Tell what is kept of two profiles that are one person; None where only their history can tell."""

    def flip(self, kept: Sequence[int], now: int) -> int | None:
        """Tell the next instant after `now` at which a truth changes if nothing happens, or None."""


class KeptLeaf(Keeper, Protocol):
    """A leaf that keeps something, and that time can change."""

    @property
    def key(self) -> bytes:
        """Names the normal form, so that equal conditions of different segments are one leaf."""

    def truth(self, kept: Sequence[int], now: int) -> bool:
        """Decide at an instant. An event ahead of our clock counts at once."""

    def amount(self, kept: Sequence[int], moments: Sequence[Moment], now: int) -> float:
        """Tell how much there is of what is compared, by what is kept of a history and by its moments."""


def event_key(event: ProtectedEvent) -> str:
    """Name under which an event is counted: a track's own name, for the other calls their type."""
    return event.name if event.type is CallType.TRACK else event.type.value


def event_stamp(event: ProtectedEvent) -> int:
    """When an event counts as having happened, in microseconds: its own time, but never after its receipt."""
    return to_micros(min(event.at, event.received_at))


def moments_of(keeper: Keeper, history: Iterable[Happened]) -> list[Moment]:
    """Take what is needed of a history."""
    return [
        moment
        for name, properties, stamp in history
        if not keeper.events or name in keeper.events
        if (moment := keeper.moment(name, properties, stamp)) is not None
    ]


class Filter:
    """An event of one name that satisfies every condition on its properties."""

    __slots__ = ("event", "form", "tests")

    def __init__(self, event: str, where: Iterable[Where]) -> None:
        self.event = event
        self.form = sorted(where, key=msgspec.json.encode)
        self.tests: tuple[tuple[str, Test], ...] = tuple(
            (each.property, compile_comparison(each.op, each.value)) for each in self.form
        )

    def takes(self, properties: dict[str, Any]) -> bool:
        """Tell whether an event of the right name satisfies every condition."""
        return not self.tests or all(test(properties.get(name, MISSING)) for name, test in self.tests)


class CountLeaf:
    """Counts "at least `n`" or "exactly `n`" events in a window; `<`, `<=` and `!=` are negations of these two.

    Keeps the newest stamps, newest first: more than it needs, so that counts of the same events with other numbers and
    windows keep the same.
    """

    __slots__ = ("event", "events", "exact", "filter", "horizon", "keep", "key", "n", "state", "window")

    def __init__(self, count: Count) -> None:
        self.event = count.event
        self.events = (count.event,)
        self.window = self.horizon = parse_duration(count.window)
        self.exact, self.n = normal_count(count.op, count.n)
        self.keep = _roomy(self.n + 1 if self.exact else self.n)
        self.filter = Filter(count.event, count.where)
        self.key = leaf_key("count", [self.event, self.window, self.exact, self.n, self.filter.form])
        self.state = leaf_key("newest", [self.event, self.keep, self.filter.form])

    def moment(self, _name: str, properties: dict[str, Any], stamp: int) -> Moment | None:
        """Take the stamp of an event that matches."""
        return (stamp, None) if self.keep and self.filter.takes(properties) else None

    def newest(self, stamps: Iterable[int]) -> list[int]:
        """Cut any stamps down to what this leaf keeps: newest first."""
        return sorted(stamps, reverse=True)[: self.keep]

    def fold(self, kept: Sequence[int], moments: Sequence[Moment], _seen: int = 0) -> list[int]:
        """Add stamps, in whatever order they come."""
        if len(moments) == 1 and (not kept or moments[0][0] >= kept[0]):
            return [moments[0][0], *kept[: self.keep - 1]]
        return self.newest([*kept, *(stamp for stamp, _ in moments)])

    def build(self, moments: Iterable[Moment]) -> list[int]:
        """Keep the newest of a whole history."""
        return self.newest(stamp for stamp, _ in moments)

    def join(self, kept: Sequence[int], other: Sequence[int]) -> list[int]:
        """Keep the newest of the union."""
        return self.newest([*kept, *other])

    def truth(self, kept: Sequence[int], now: int) -> bool:
        """Decide at an instant. A stamp ahead of our clock counts at once."""
        return count_truth(kept, now - self.window, self.n, exact=self.exact)

    def flip(self, kept: Sequence[int], now: int) -> int | None:
        """Tell the next instant after `now` at which the truth changes if nothing happens, or None."""
        return count_flip(kept, now, self.window, self.n, exact=self.exact)

    def amount(self, _kept: Sequence[int], moments: Sequence[Moment], now: int) -> float:
        """Count the events in the window."""
        return sum(stamp > now - self.window for stamp, _ in moments)


class TraitLeaf:
    """A comparison with a trait. It has no state of its own: the profile's traits decide."""

    __slots__ = ("key", "name", "test")

    def __init__(self, trait: Trait) -> None:
        self.name = trait.name
        self.test = compile_comparison(trait.op, trait.value)
        self.key = leaf_key("trait", [trait.name, trait.op, trait.value])

    def truth(self, traits: Mapping[str, Mapping[str, Any]]) -> bool:
        """Decide on a profile's traits as they are stored: `{name: {"v": value, …}}`."""
        stated = traits.get(self.name)
        return self.test(MISSING if stated is None else stated.get("v"))


class ScoreLeaf:
    """A comparison with what a model said of the profile, where it is sure enough."""

    __slots__ = ("confidence", "key", "model", "test")

    def __init__(self, score: Score) -> None:
        self.model = score.model
        self.test = compile_comparison(score.op, score.score)
        self.confidence = score.confidence
        self.key = leaf_key("model", [score.model, score.op, float(score.score), float(score.confidence)])

    def truth(self, scores: Mapping[str, Mapping[str, Any]]) -> bool:
        """Decide on a profile's scores as they are stored: `{model: {"s": score, "c": confidence, …}}`."""
        said = scores.get(self.model)
        return said is not None and said["c"] >= self.confidence and self.test(said["s"])


class SegmentLeaf:
    """Membership of another segment, by its key. The other segment's definition decides."""

    __slots__ = ("key", "segment_key")

    def __init__(self, node: InSegment) -> None:
        self.segment_key = node.key
        self.key = leaf_key("segment", [node.key])


def is_negated(op: str) -> bool:
    """Tell whether a comparison is the negation of its normal form."""
    return op in _NEGATED


def normal_count(op: str, n: int) -> tuple[bool, int]:
    """Bring a comparison with a number of things to its normal form: whether exactly, else at least, and how many."""
    exact = op in ("==", "!=")
    return exact, n if exact else n + AT_LEAST[op]


def count_truth(stamps: Sequence[int], opens: int, n: int, *, exact: bool) -> bool:
    """Compare how many stamps, newest first, lie after `opens` with `n`."""
    if not exact:
        return n == 0 or (len(stamps) >= n and stamps[n - 1] > opens)
    return _newer(stamps, opens) == n


def count_flip(stamps: Sequence[int], now: int, window: int, n: int, *, exact: bool) -> int | None:
    """Tell when the comparison of `count_truth` changes next, as the window moves on."""
    if not exact:  # which most are, and then one stamp decides
        return stamps[n - 1] + window if 0 < n <= len(stamps) and stamps[n - 1] > now - window else None
    inside = _newer(stamps, now - window)
    if inside < n or inside == 0:
        return None
    if inside == n:
        return stamps[n - 1] + window if n else None
    if n and stamps[n - 1] == stamps[n]:
        return None
    return stamps[n] + window


def mark_of(value: Any) -> int:
    """Tell values apart by a signed number of 64 bits, so that none need be kept; 0 for one that is missing."""
    if value is MISSING:
        return 0
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    encoded = msgspec.json.encode(value, order="deterministic")
    return int.from_bytes(blake2b(encoded, digest_size=8).digest(), signed=True) or 1


def leaf_key(kind: str, form: list[Any]) -> bytes:
    """Name a normal form."""
    return sha256(msgspec.json.encode([kind, form], order="deterministic")).digest()[:_KEY_BYTES]


def _roomy(needed: int) -> int:
    """Round a number of stamps up, so that few different ones are kept; nothing stays nothing."""
    room = _ROOM if needed else 0
    while room < needed:
        room *= _ROOM_GROWS
    return room


def _newer(stamps: Sequence[int], opens: int) -> int:
    # Newest first, so negated they ascend.
    return bisect_left(stamps, -opens, key=int.__neg__)
