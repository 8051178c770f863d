"""Whether events go when their time is over, and whether those to come have their part of the table."""

from datetime import timedelta
from typing import Final

from domain.clock import utc_now
from gateway.database import open_database
from gateway.doctor.finding import NOT_ASKED, Finding
from gateway.settings import Settings
from profiles.overdue import events_overdue
from stores.quarters import lacks_quarter
from stores.workspaces import list_workspaces

_SWEPT_WITHIN: Final = timedelta(days=1)
"""A sweep comes every few minutes, and may have much to take away after a new plan or a standstill."""


async def check_retention(settings: Settings) -> str:
    """Look for events that are still there a day after their time."""
    if settings.postgres_url is None:
        return NOT_ASKED
    now, behind = utc_now(), {}
    async with open_database(settings, connections=1) as database, database.across() as connection:
        for workspace in await list_workspaces(connection):
            behind[workspace.name] = await events_overdue(connection, workspace.id, now)
    worst = max(behind, key=behind.__getitem__, default=None)
    if worst is not None and behind[worst] > _SWEPT_WITHIN:
        raise Finding(f"{worst} has events whose time has been over for {behind[worst].days} days: does a builder run?")
    return "nothing has outlived its time by a day"


async def check_quarters(settings: Settings) -> str:
    """Look for the part of the table that the events of the next month will lie in."""
    if settings.postgres_url is None:
        return NOT_ASKED
    async with open_database(settings, connections=1) as database, database.across() as connection:
        if await lacks_quarter(connection, utc_now()):
            raise Finding("the events of the coming quarter have no part of their table yet: does a builder run?")
    return "the events of the next month have their part of the table"
