"""A first event that no second one has followed: carts that were filled and not paid for.

Each first event makes the leaf true from `within` after it until it leaves the window, unless a second one comes. So
the truth is a union of spans of one length, and a first event whose span its neighbours cover need not be kept.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from domain.segment import Step, ThenNot, Where
from profiles.segments.duration import parse_duration
from profiles.segments.leaf import Filter, Moment, leaf_key

_FIRST: Final = 1
_THEN: Final = 2
_NEVER: Final = -(2**62)


class ThenNotLeaf:
    """Keeps the newest second event's stamp, or `_NEVER`, then those of the first events since, oldest first."""

    __slots__ = ("events", "first", "horizon", "key", "state", "then", "window", "within")

    def __init__(self, node: ThenNot) -> None:
        self.first, self.then = step_filter(node.first), step_filter(node.then)
        self.events = tuple(dict.fromkeys((node.first.event, node.then.event)))
        self.within = parse_duration(node.within)
        self.window = self.horizon = parse_duration(node.window)
        sides = [[side.event, side.form] for side in (self.first, self.then)]
        self.key = self.state = leaf_key("then not", [*sides, self.within, self.window])

    def moment(self, name: str, properties: dict[str, Any], stamp: int) -> Moment | None:
        """Tell which of the two an event is; it may be both."""
        kind = _FIRST * (name == self.first.event and self.first.takes(properties))
        kind |= _THEN * (name == self.then.event and self.then.takes(properties))
        return (stamp, kind) if kind else None

    def fold(self, kept: Sequence[int], moments: Sequence[Moment], _seen: int = 0) -> list[int] | None:
        """Add events. A late second one may uncover first ones that were not kept."""
        answered, firsts = (kept[0], kept[1:]) if kept else (_NEVER, [])
        newest = max((stamp for stamp, kind in moments if kind & _THEN), default=_NEVER)
        if firsts and firsts[0] < newest < firsts[-1]:
            return None
        return self._keep(max(answered, newest), [*firsts, *(stamp for stamp, kind in moments if kind & _FIRST)])

    def build(self, moments: Iterable[Moment]) -> list[int]:
        """Keep what a whole history comes to."""
        moments = list(moments)
        answered = max((stamp for stamp, kind in moments if kind & _THEN), default=_NEVER)
        return self._keep(answered, [stamp for stamp, kind in moments if kind & _FIRST])

    def join(self, _kept: Sequence[int], _other: Sequence[int]) -> list[int] | None:
        """Two people's first events may each be answered by the other's second."""
        return None

    def truth(self, kept: Sequence[int], now: int) -> bool:
        """Decide at an instant."""
        return any(now - self.window < stamp <= now - self.within for stamp in kept[1:])

    def flip(self, kept: Sequence[int], now: int) -> int | None:
        """Tell where the span that holds now ends, or else where the next one begins."""
        for begins, ends in self._spans(kept):
            if now < begins:
                return begins
            if now < ends:
                return ends
        return None

    def amount(self, kept: Sequence[int], _moments: Sequence[Moment], now: int) -> float:
        """Count the first events in the window that nothing followed, leaving out those whose neighbours cover them."""
        return sum(stamp > now - self.window for stamp in kept[1:])

    def _spans(self, kept: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Join the spans of single events that meet."""
        begins = ends = _NEVER
        for stamp in kept[1:]:
            if stamp + self.within > ends:
                if ends != _NEVER:
                    yield begins, ends
                begins = stamp + self.within
            ends = stamp + self.window
        if ends != _NEVER:
            yield begins, ends

    def _keep(self, answered: int, firsts: Iterable[int]) -> list[int]:
        since = sorted(stamp for stamp in firsts if stamp >= answered)
        if since:
            since = [stamp for stamp in since if stamp > since[-1] - self.window]
        reach = self.window - self.within
        kept = since[:1]
        for place, stamp in enumerate(since[1:], 1):
            following = since[place + 1] if place + 1 < len(since) else None
            if stamp != kept[-1] and (following is None or following - kept[-1] > reach):
                kept.append(stamp)
        return [answered, *kept] if kept or answered != _NEVER else []


def step_filter(step: Step) -> Filter:
    """Compile what a step says of its own event."""
    return Filter(step.event, [each for each in step.where if isinstance(each, Where)])
