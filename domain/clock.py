"""Time, always UTC, always handed in."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SLEWED: Final = timedelta(seconds=1)
"""How far a clock may be off between two looks at it without having jumped: whoever sets a clock slowly stays below."""
_BELIEVED_AFTER: Final = 300.0


def utc_now() -> datetime:
    """Tell the time: the one clock of a running process, replaced by a still one in tests."""
    return datetime.now(UTC)


def seconds_passed() -> float:
    """Count seconds that nobody sets, those that the machine sleeps with them where the system can tell."""
    asleep_too = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if asleep_too is None else time.clock_gettime(asleep_too)


class SteadyClock:
    """A clock that follows the machine's and does not jump with it.

    An hour that a clock was wrong by stays in what was written meanwhile: windows that it emptied, events that lie
    ahead. So where the machine's clock is suddenly elsewhere, time goes on as it passes, until the clock is back or has
    stayed there for five minutes: then it was wrong before. `told` hears by how much it jumped, once each time.
    """

    def __init__(
        self,
        wall: Clock = utc_now,
        ticks: Callable[[], float] = seconds_passed,
        *,
        told: Callable[[timedelta], None] = lambda _: None,
    ) -> None:
        self._wall = wall
        self._ticks = ticks
        self._told = told
        self._at, self._tick = wall(), ticks()
        self._away: tuple[float, timedelta] | None = None
        """Since when the machine's clock is elsewhere, and how far off it was then."""

    def __call__(self) -> datetime:
        """Tell the time."""
        wall, tick = self._wall(), self._ticks()
        steady = self._at + timedelta(seconds=tick - self._tick)
        off = wall - steady
        if abs(off) < _SLEWED:
            self._at, self._tick, self._away = wall, tick, None
            return wall
        if self._away is None or abs(off - self._away[1]) >= _SLEWED:
            self._away = tick, off
            self._told(off)
        if tick - self._away[0] < _BELIEVED_AFTER:
            return steady
        self._at, self._tick, self._away = wall, tick, None
        return wall


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970: the unit of every stored window stamp, exact where floats are not."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Turn microseconds since 1970 back into a moment."""
    return _EPOCH + timedelta(microseconds=micros)
