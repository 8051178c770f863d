"""Whether builders keep up: judged by how much waits, and by how long the oldest of it has waited."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from domain.clock import utc_now
from domain.topics import EVENTS
from gateway.database import open_database
from gateway.doctor.finding import NOT_ASKED, Finding
from gateway.eventlog import open_event_log
from gateway.settings import Settings
from profiles.builder import GROUP
from stores.offsets import read_offsets
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
        behind, oldest = await _unbuilt(settings, database)
        vitals = await _vitals(database)
    if behind > _MUCH:
        raise Finding(f"{behind:,} events are not built yet: start more `tagway build`, or look why none builds")
    if (waited := _waited(oldest)) is not None:
        raise Finding(f"{behind:,} events are not built yet, the oldest for {waited}: does a builder run?")
    if vitals.unpublished >= _MUCH:
        raise Finding(f"{vitals.unpublished:,} segment changes wait to be published: does a builder run?")
    if (waited := _waited(vitals.oldest_unpublished)) is not None:
        raise Finding(f"{vitals.unpublished:,} segment changes wait to be published, the oldest for {waited}")
    return f"{behind:,} events to build, {vitals.unpublished:,} changes to publish"


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


async def _unbuilt(settings: Settings, database: Database) -> tuple[int, datetime | None]:
    """Return how many events the log holds that are not built, and when it took the oldest of them."""
    log = await open_event_log(settings, database)
    try:
        async with asyncio.timeout(_ASK_WITHIN):
            ends, source = await log.ends(EVENTS), await log.source(EVENTS)
            async with database.across() as connection:
                offsets = await read_offsets(connection, GROUP, source)
            waiting = {each: offsets.get(each, 0) for each, end in ends.items() if offsets.get(each, 0) < end}
            oldest = await log.first_taken(EVENTS, waiting)
    finally:
        await log.close()
    return sum(ends[each] - offset for each, offset in waiting.items()), oldest


async def _vitals(database: Database) -> Vitals:
    async with database.across() as connection:
        return await read_vitals(connection)


def _waited(since: datetime | None) -> timedelta | None:
    """Tell how long it was, to the second, where that is long."""
    waited = utc_now() - since if since is not None else timedelta()
    return timedelta(seconds=int(waited.total_seconds())) if waited > _LONG else None
