"""Times as callers give them."""

from datetime import UTC, datetime

from domain.errors import Refused


def in_utc(moment: datetime | None) -> datetime | None:
    """Turn a time into UTC; one without an offset is taken as UTC. Raises `Refused` for one outside the calendar."""
    if moment is None or moment.tzinfo is None:
        return moment and moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Refused("A time lies outside the calendar.") from None
