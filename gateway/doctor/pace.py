"""Whether builders keep up: judged by how much waits, and by how long the oldest of it has waited."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from domain.clock import utc_now
from gateway.database import open_database
from gateway.doctor.finding import NOT_ASKED, Finding
from gateway.eventlog import open_event_log
from gateway.settings import Settings
from profiles.lateness import Backlog, read_backlog
from stores.changes import unpublished_since
from stores.postgres import Database
from stores.vitals import Vitals, read_vitals

_ASK_WITHIN: Final = 15.0
_MUCH: Final = 10_000
_LONG: Final = timedelta(minutes=1)
"""Where a builder runs and keeps up, nothing waits for more than a second or two."""


async def check_lag(settings: Settings) -> str:
    """Look at the events that are not built, and the changes that are not published."""
    if settings.postgres_url is None:
        return NOT_ASKED
    async with open_database(settings, connections=3) as database:
        backlog = await _backlog(settings, database)
        vitals = await _vitals(database)
        async with database.across() as connection:
            unpublished = await unpublished_since(connection)
    behind = backlog.records
    if behind > _MUCH:
        raise Finding(f"{behind:,} events are not built yet: start more `tagway build`, or look why none builds")
    if (waited := _waited(backlog.since)) is not None:
        raise Finding(f"{behind:,} events are not built yet, the oldest for {waited}: does a builder run?")
    if vitals.unpublished >= _MUCH:
        raise Finding(f"{vitals.unpublished:,} segment changes wait to be published: does a builder run?")
    if (waited := _waited(unpublished)) is not None:
        raise Finding(
            f"{vitals.unpublished:,} segment changes wait to be published, the oldest for {waited}: "
            "does a builder run, and do Redis and the log take them?"
        )
    cut = f"{backlog.partitions:,} partitions"
    if backlog.partitions != settings.log_partitions:
        cut += f", as the topic was made: TAGWAY_LOG_PARTITIONS={settings.log_partitions} changes nothing"
    return f"{behind:,} events to build, {vitals.unpublished:,} changes to publish; {cut}"


async def check_timers(settings: Settings) -> str:
    """Look for instants that have passed and had no effect."""
    if settings.postgres_url is None:
        return NOT_ASKED
    async with open_database(settings, connections=1) as database:
        vitals = await _vitals(database)
    if vitals.oldest_timer is not None:
        late = utc_now() - vitals.oldest_timer
        raise Finding(f"{vitals.timers_due:,} are overdue, by up to {late}: does a builder run?")
    building = f", {vitals.building_segments:,} segments are being built" if vitals.building_segments else ""
    return f"none is overdue{building}"


async def check_dead_letters(settings: Settings) -> str:
    """Count what could not be built."""
    if settings.postgres_url is None:
        return NOT_ASKED
    async with open_database(settings, connections=1) as database:
        count = (await _vitals(database)).dead_letters
    return f"{count:,}: see `tagway deadletters list`" if count else "none"


async def _backlog(settings: Settings, database: Database) -> Backlog:
    log = await open_event_log(settings, database)
    try:
        async with asyncio.timeout(_ASK_WITHIN):
            return await read_backlog(log, database)
    finally:
        await log.close()


async def _vitals(database: Database) -> Vitals:
    async with database.across() as connection:
        return await read_vitals(connection)


def _waited(since: datetime | None) -> timedelta | None:
    """Tell how long it was, to the second, where that is long."""
    waited = utc_now() - since if since is not None else timedelta()
    return timedelta(seconds=int(waited.total_seconds())) if waited > _LONG else None
