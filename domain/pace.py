"""How fast events may come: the generic cell rate algorithm, as the ATM Forum's Traffic Management 4.0 has it (4.4.2).

All that is kept of who sends is one instant, when the allowance will be full again. Each event moves it on by the
time that one event takes at the allowed rate; it may not lie further ahead than all that may come at once.
"""

from math import ceil
from typing import Final

import msgspec

from domain.errors import Refused

MOST_EVENTS: Final = 2_500
"""Events of the largest request. Who may send fewer at once could never send it, however long the pause."""


class Pace(msgspec.Struct, frozen=True):
    """How many events one key may send each second, and how many at once after a pause. Times are in seconds."""

    a_second: int = 20_000
    at_once: int = 200_000

    def room(self, full_at: float, now: float) -> int:
        """Tell how many events may come now."""
        return int(self.at_once - max(0.0, full_at - now) * self.a_second)

    def moved(self, full_at: float, now: float, events: int) -> float:
        """Give the instant at which the allowance is full again once these events have come."""
        return max(full_at, now) + events / self.a_second

    def wait(self, lacking: int) -> int:
        """Tell after how many seconds there is room for that many events more; at least one second."""
        return max(1, ceil(lacking / self.a_second))


class Quota(msgspec.Struct, frozen=True):
    """What a key may still send: how many events of how many at once, and in how many seconds it is all of them."""

    at_once: int
    left: int
    full_after: int


class TooManyEvents(Refused):
    """A key sends faster than it may."""

    code = "too_many_events"
    retry_after: int
    """Seconds after which there is room for the same request."""

    def __init__(self, pace: Pace, quota: Quota, retry_after: int) -> None:
        super().__init__(
            f"This key may send {pace.a_second} events a second and {pace.at_once} at once;"
            f" nothing of this request was kept, send it again in {retry_after} s.",
            retry_after=retry_after,
        )
        self.quota = quota
