"""Client clocks: reading the moments that SDKs write, and correcting those of a clock that is wrong."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_MILLISECONDS_FROM: Final = 1e11
"""Numbers above this are milliseconds since 1970 (this many seconds would be the year 5138)."""

_AHEAD_AT_MOST: Final = timedelta(minutes=5)
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read_moment(value: Any) -> datetime | None:
    """Read a moment as the SDKs write it; None and an empty text stay None.

    That is ISO 8601 in all their spellings (no zone means UTC), or a number of seconds or milliseconds since 1970.
    Raises `ValueError` for anything else and for what lies before 1970.
    """
    if value is None or value == "":
        return None
    moment = _read_text(value) if isinstance(value, str) else _read_number(value)
    if moment < _EARLIEST:
        raise ValueError("before 1970")
    return moment


def correct(original: datetime | None, sent: datetime | None, received: datetime) -> datetime:
    """Tell when a call happened by our clock: as long before its receipt as it waited by the client's clock.

    A call "sent before it happened" waited while its clock was put back; nobody knows how long, so it counts as
    sent at once. Without `sent` the client's time stands, as servers and imports mean it, but nothing happens more
    than five minutes after its receipt.
    """
    if original is None:
        return received
    if sent is None:
        return min(original, received + _AHEAD_AT_MOST)
    waited = max(sent - original, timedelta(0))
    return received - min(waited, received - _EARLIEST)


def _read_text(value: str) -> datetime:
    moment = datetime.fromisoformat(value.strip())
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of range") from error


def _read_number(value: Any) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise ValueError("neither a text nor a number")
    try:
        return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS_FROM else value, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("out of range") from error
