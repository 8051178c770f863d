"""How much of the machine a bench had: a guest of a shared host is held up by the others, and cannot see them."""

from pathlib import Path
from typing import Self

_STAT = Path("/proc/stat")
_STEAL = 7
"""The place of the time that the host gave to others, after proc_stat(5)."""


class Shared:
    """Watches what the host gives away, from when it is made."""

    def __init__(self, total: int, stolen: int) -> None:
        self._total = total
        self._stolen = stolen

    @classmethod
    def now(cls) -> Self | None:
        """Begin to watch; None where the system does not tell."""
        times = _times()
        return cls(*times) if times else None

    def percent(self) -> float:
        """Return the share of processor time that others have had since."""
        total, stolen = _times() or (self._total, self._stolen)
        return 100 * (stolen - self._stolen) / max(total - self._total, 1)


def _times() -> tuple[int, int] | None:
    try:
        _, *fields = _STAT.read_text().splitlines()[0].split()
    except OSError:
        return None
    ticks = [int(field) for field in fields]
    return (sum(ticks[: _STEAL + 1]), ticks[_STEAL]) if len(ticks) > _STEAL else None
