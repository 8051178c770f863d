"""Whether sweeps keep up: what is still there though the time for it is long over."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from privacy.plan import read_plan
from privacy.retention import Retention
from stores.plans import read_newest_plan
from stores.postgres import Connection
from stores.sweeps import events_after

_BEGINNING: Final = (datetime(1970, 1, 1, tzinfo=UTC), "")


async def events_overdue(connection: Connection, workspace: UUID, now: datetime) -> timedelta:
    """Tell for how long an event has been kept that the plan keeps no longer; nothing where there is none.

    A plan asks for what it says since it was saved: until then, what is old was to be kept. Raises `Refused` for a
    stored plan that cannot be read, by which nothing is swept.
    """
    stored = await read_newest_plan(connection, workspace)
    if stored is None:
        return timedelta()
    longest = Retention(read_plan(stored.document)).longest
    oldest = await events_after(connection, workspace, _BEGINNING, now - longest, 1)
    return max((now - max(event.received_at + longest, stored.created_at) for _, event in oldest), default=timedelta())
