"""Spans of time as people write them: `30s`, `10m`, `24h`, `7d`, `2w`."""

import re
from typing import Final

_SECOND: Final = 1_000_000
_UNITS: Final = {"s": _SECOND, "m": 60 * _SECOND, "h": 3_600 * _SECOND, "d": 86_400 * _SECOND, "w": 604_800 * _SECOND}
_SPELLING: Final = re.compile(r"([1-9][0-9]{0,8})([smhdw])", re.ASCII)

DAY: Final = _UNITS["d"]
"""Microseconds of a day of 24 hours."""


def parse_duration(text: str) -> int:
    """`24h` → microseconds; raises `ValueError` for any other spelling."""
    match = _SPELLING.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return int(match[1]) * _UNITS[match[2]]
