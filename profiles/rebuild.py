"""The log built once more, from a place on, into tables that hold nothing made of it yet."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import uuid4

import msgspec
import structlog

from domain.errors import LogUnavailable
from domain.topics import EVENTS
from profiles.backfill import Backfill
from profiles.builder import Builder
from profiles.timers import Timers
from stores.eventlog.port import Batch, Consumer, EventLog

_LOG = structlog.get_logger(__name__)
_BATCH: Final = 500
_WAIT_SECONDS: Final = 0.2
_SILENT_SECONDS: Final = 5.0
"""So long is nothing heard, and the log is asked whether anything is to come."""
_RETRY_SECONDS: Final = 0.5


class Rebuild:
    """Reads the events topic up to the `ends` that it is given, then lets time and edited segments have their say.

    `builder`, `backfill` and `timers` work on the fresh tables; the log is only read.
    """

    def __init__(self, log: EventLog, *, builder: Builder, backfill: Backfill, timers: Timers) -> None:
        self._log = log
        self._builder = builder
        self._backfill = backfill
        self._timers = timers

    async def run(
        self,
        ends: Mapping[int, int],
        *,
        starts: Mapping[int, int],
        since: datetime | None,
        progress: Callable[[int], None],
    ) -> int:
        """Build from `starts` (by partition, else the beginning) what the log took at `since` or later.

        Returns how many records were read; `progress` hears the same as it grows. Waits for a log that is away, and
        leaves word of where builders go on. Raises `LogUnavailable` where it is away at the start.
        """
        source = await self._log.source(EVENTS)
        reached = {partition: starts.get(partition, 0) for partition in ends}
        read = 0

        async def start(_partitions: object) -> dict[int, int]:
            return dict(reached)

        async with self._log.consume(EVENTS, f"tagway-replay-{uuid4().hex}", start) as consumer:
            while left := {partition for partition, end in ends.items() if reached[partition] < end}:
                batches = await self._next(consumer, left, reached)
                if not batches:
                    reached.update({partition: ends[partition] for partition in left})
                wanted = [each for batch in batches for each in _within(batch, ends, since)]
                if wanted:
                    await self._builder.build([msgspec.structs.replace(batch, topic=source) for batch in wanted])
                reached.update({batch.partition: batch.next_offset for batch in batches})
                read += sum(len(batch.records) for batch in batches)
                progress(read)
        await self._builder.go_on_at(source, ends)
        await self._backfill.finish_all()
        while await self._timers.fire():
            pass
        return read

    async def _next(self, consumer: Consumer, left: Collection[int], reached: Mapping[int, int]) -> list[Batch]:
        """Wait for what comes next of some partitions; nothing where retention has removed what was to come."""
        clock = asyncio.get_running_loop().time
        asked_at = clock()
        while True:
            try:
                batches = await consumer.next_batches(_BATCH, _WAIT_SECONDS)
                if wanted := [batch for batch in batches if batch.partition in left]:
                    return wanted
                if clock() - asked_at >= _SILENT_SECONDS:
                    if await self._is_over({each: reached[each] for each in left}):
                        return []
                    asked_at = clock()
            except LogUnavailable as error:
                _LOG.warning("log_unavailable", problem=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _is_over(self, places: Mapping[int, int]) -> bool:
        """Ask for what lies at some places or behind them: that nothing was heard of it may be the brokers' fault."""
        return await self._log.first_taken(EVENTS, places) is None


def _within(batch: Batch, ends: Mapping[int, int], since: datetime | None) -> list[Batch]:
    """Leave out what came after the replay began, and before the time it starts at."""
    end = ends.get(batch.partition, 0)
    records = tuple(each for each in batch.records if each.offset < end and (since is None or each.at >= since))
    return [msgspec.structs.replace(batch, records=records)] if records else []
