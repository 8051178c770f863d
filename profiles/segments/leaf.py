"""One condition of a segment in its normal form: what is kept for it per profile, and what time does to it.

A window is `(now - window, now]`. A count needs only its newest stamps: whatever is older can neither make it true nor
keep it true, so the state is exact and small, and the state of two merged profiles is the newest of their union.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, Literal

import msgspec

from domain.clock import to_micros
from domain.event import CallType, ProtectedEvent
from domain.segment import Count, Trait
from profiles.segments.comparison import MISSING, Test, compile_comparison
from profiles.segments.duration import parse_duration

_KEY_BYTES: Final = 16
_AT_LEAST: Final = {">=": 0, ">": 1, "<": 0, "<=": 1}
_NEGATED: Final = ("<", "<=", "!=")


def event_key(event: ProtectedEvent) -> str:
    """Name under which an event is counted: a track's own name, for the other calls their type."""
    return event.name if event.type is CallType.TRACK else event.type.value


def event_stamp(event: ProtectedEvent) -> int:
    """When an event counts as having happened, in microseconds: its own time, but never after its receipt."""
    return to_micros(min(event.at, event.received_at))


class CountLeaf:
    """Counts "at least `n`" or "exactly `n`" events in a window; `<`, `<=` and `!=` are negations of these two.

    `key` names the normal form, so that equal conditions of different segments share one state.
    """

    __slots__ = ("event", "exact", "keep", "key", "n", "tests", "window")

    def __init__(self, count: Count) -> None:
        self.event = count.event
        self.window = parse_duration(count.window)
        self.exact = count.op in ("==", "!=")
        self.n = count.n if self.exact else count.n + _AT_LEAST[count.op]
        self.keep = self.n + 1 if self.exact else self.n
        where = sorted(count.where, key=msgspec.json.encode)
        self.tests: tuple[tuple[str, Test], ...] = tuple(
            (each.property, compile_comparison(each.op, each.value)) for each in where
        )
        self.key = _key("count", [self.event, self.window, self.exact, self.n, where])

    def matches(self, properties: dict[str, Any]) -> bool:
        """Tell whether an event of the right name satisfies every `where`."""
        return all(test(properties.get(name, MISSING)) for name, test in self.tests)

    def newest(self, stamps: Iterable[int]) -> list[int]:
        """Cut any stamps down to what this leaf keeps: newest first."""
        return sorted(stamps, reverse=True)[: self.keep]

    def truth(self, stamps: Sequence[int], now: int) -> bool:
        """Decide at an instant; `stamps` newest first. A stamp ahead of our clock counts at once."""
        if not self.exact:
            return self.n == 0 or (len(stamps) >= self.n and stamps[self.n - 1] > now - self.window)
        return self._inside(stamps, now) == self.n

    def flip(self, stamps: Sequence[int], now: int) -> int | None:
        """Tell the next instant after `now` at which the truth changes if nothing happens, or None."""
        inside = self._inside(stamps, now)
        if inside < self.n or inside == 0:
            return None
        if inside == self.n or not self.exact:
            return stamps[self.n - 1] + self.window if self.n else None
        if self.n and stamps[self.n - 1] == stamps[self.n]:
            return None
        return stamps[self.n] + self.window

    def _inside(self, stamps: Sequence[int], now: int) -> int:
        # Newest first, so negated they ascend.
        return bisect_left(stamps, self.window - now, key=int.__neg__)


class TraitLeaf:
    """A comparison with a trait. It has no state of its own: the profile's traits decide."""

    __slots__ = ("key", "name", "test")

    def __init__(self, trait: Trait) -> None:
        self.name = trait.name
        self.test = compile_comparison(trait.op, trait.value)
        self.key = _key("trait", [trait.name, trait.op, trait.value])

    def truth(self, traits: Mapping[str, Mapping[str, Any]]) -> bool:
        """Decide on a profile's traits as they are stored: `{name: {"v": value, …}}`."""
        stated = traits.get(self.name)
        return self.test(MISSING if stated is None else stated.get("v"))


def is_negated(count: Count) -> bool:
    """Tell whether a count is the negation of its normal form."""
    return count.op in _NEGATED


def _key(kind: Literal["count", "trait"], form: list[Any]) -> bytes:
    return sha256(msgspec.json.encode([kind, form], order="deterministic")).digest()[:_KEY_BYTES]
