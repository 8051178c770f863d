"""How late builders are in what they build, publish and look at: measured every few seconds, and told as figures."""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple, NoReturn

import structlog

from domain.clock import Clock
from domain.errors import LogUnavailable, StoreUnavailable
from domain.topics import EVENTS
from profiles.builder import GROUP
from profiles.metrics import BuildMetrics
from stores.changes import unpublished_since
from stores.eventlog.port import EventLog
from stores.offsets import read_offsets
from stores.postgres import Database
from stores.timers import next_due

_LOG = structlog.get_logger(__name__)
_EVERY_SECONDS: Final = 10.0


class Backlog(NamedTuple):
    """What the log holds that is not built yet."""

    records: int
    since: datetime | None
    """When the log took the oldest of them."""
    partitions: int
    """Into how many the topic is cut."""


async def read_backlog(log: EventLog, database: Database) -> Backlog:
    """Compare the log with what is noted as built. Raises `LogUnavailable`, `StoreUnavailable`."""
    ends, source = await log.ends(EVENTS), await log.source(EVENTS)
    async with database.across() as connection:
        offsets = await read_offsets(connection, GROUP, source)
    waiting = {each: offsets.get(each, 0) for each, end in ends.items() if offsets.get(each, 0) < end}
    records = sum(ends[each] - offset for each, offset in waiting.items())
    return Backlog(records, await log.first_taken(EVENTS, waiting), len(ends))


class Lateness:
    """Measures for all builders at once. What they are late with is seen also while none of them gets anything done."""

    def __init__(self, database: Database, log: EventLog, metrics: BuildMetrics, clock: Clock) -> None:
        self._database = database
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._built_until = clock()
        """Everything that came before this is built."""

    async def run(self) -> NoReturn:
        """Measure until cancelled."""
        while True:
            await self.measure()
            await asyncio.sleep(_EVERY_SECONDS)

    async def measure(self) -> None:
        """Measure once. What cannot be asked while a store is away stays as it was."""
        with suppress(StoreUnavailable):
            async with self._database.across() as connection:
                due, unpublished = await next_due(connection), await unpublished_since(connection)
            self._metrics.overdue.set(self._age(due))
            self._metrics.publish_oldest.set(self._age(unpublished))
        with suppress(LogUnavailable, StoreUnavailable):
            await self._measure_log()
        # Who cannot reach the log, or the tables, builds nothing either: so this goes on.
        self._metrics.oldest.set(self._age(self._built_until))

    async def _measure_log(self) -> None:
        now = self._clock()
        backlog = await read_backlog(self._log, self._database)
        self._built_until = backlog.since or now
        self._metrics.lag.set(backlog.records)
        if backlog.records:
            _LOG.info("building", records_to_build=backlog.records)

    def _age(self, since: datetime | None) -> float:
        return max(0.0, (self._clock() - since).total_seconds()) if since else 0.0
