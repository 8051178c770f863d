"""How often something happened in the session that is going on: a stretch of time without a long pause."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from domain.segment import Session
from profiles.segments.duration import DAY, parse_duration
from profiles.segments.leaf import AT_LEAST, Filter, Moment, leaf_key


class SessionLeaf:
    """Keeps `[newest stamp of anything, stamps of what is counted, newest first]`, or nothing while none is counted.

    A session may be longer than a day, but only what happened in its last 24 hours counts: so a day of history tells
    everything.
    """

    __slots__ = ("event", "events", "filter", "horizon", "idle", "key", "n", "state")

    def __init__(self, node: Session) -> None:
        self.event = node.event
        self.events: tuple[str, ...] = ()
        self.idle = parse_duration(node.idle)
        self.horizon = DAY
        self.n = node.n + AT_LEAST[node.op]
        self.filter = Filter(node.event, node.where)
        self.key = self.state = leaf_key("session", [node.event, self.idle, self.n, self.filter.form])

    def moment(self, name: str, properties: dict[str, Any], stamp: int) -> Moment:
        """Take every event; say whether it is counted."""
        return stamp, name == self.event and self.filter.takes(properties)

    def fold(self, kept: Sequence[int], moments: Sequence[Moment], seen: int) -> list[int] | None:
        """Go on with events that are not older than anything seen so far."""
        ordered = sorted(moments, key=itemgetter(0))
        if ordered[0][0] < max(kept[0] if kept else ordered[0][0], seen):
            return None
        return self._go_on(kept, ordered)

    def build(self, moments: Iterable[Moment]) -> list[int]:
        """Go through a whole history."""
        return self._go_on((), sorted(moments, key=itemgetter(0)))

    def join(self, _kept: Sequence[int], _other: Sequence[int]) -> list[int] | None:
        """One person's events may fill the pauses of the other's."""
        return None

    def truth(self, kept: Sequence[int], now: int) -> bool:
        """Decide at an instant."""
        return len(kept) > self.n and now < self._ends(kept)

    def flip(self, kept: Sequence[int], now: int) -> int | None:
        """Tell when the session ends, or what is counted is a day old."""
        return self._ends(kept) if self.truth(kept, now) else None

    def amount(self, kept: Sequence[int], _moments: Sequence[Moment], now: int) -> float:
        """Count those of the session that is going on, up to as many as are asked for."""
        return sum(stamp > now - DAY for stamp in kept[1:]) if kept and now < kept[0] + self.idle else 0

    def _ends(self, kept: Sequence[int]) -> int:
        return min(kept[0] + self.idle, kept[self.n] + DAY)

    def _go_on(self, kept: Sequence[int], moments: Iterable[Moment]) -> list[int]:
        last, *counted = kept or (0,)
        for stamp, is_counted in moments:
            if counted and stamp - last >= self.idle:
                counted = []
            if is_counted:
                counted.insert(0, stamp)
                del counted[self.n :]
            last = stamp
        return [last, *counted] if counted else []
