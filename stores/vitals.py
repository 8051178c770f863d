"""What tells an operator whether the product keeps up: what is overdue, what waits, what a server's clock says."""

from datetime import datetime

import msgspec

from stores.postgres import Connection


class Vitals(msgspec.Struct, frozen=True):
    """As of one instant."""

    now: datetime
    """Postgres' own clock."""
    timers_due: int
    """Leaves whose instant is more than a minute past; counted up to 10,000."""
    oldest_timer: datetime | None
    unpublished: int
    """Segment changes that have not reached both Redis and the log; counted up to 10,000."""
    dead_letters: int
    building_segments: int


async def read_vitals(connection: Connection) -> Vitals:
    """Read them as the worker."""
    row = await connection.fetchrow(
        """
        SELECT clock_timestamp(),
            (SELECT count(*) FROM (SELECT FROM leaf_state WHERE due_at < now() - interval '1 minute' LIMIT 10000) AS d),
            (SELECT min(due_at) FROM leaf_state WHERE due_at < now() - interval '1 minute'),
            (SELECT count(*) FROM (
                SELECT id FROM segment_change WHERE position IS NULL
                UNION ALL SELECT id FROM segment_change, publisher WHERE position > published_through
                LIMIT 10000) AS u),
            (SELECT count(*) FROM dead_letter),
            (SELECT count(*) FROM segment WHERE status = 'building')
        """
    )
    return Vitals(*row)
