"""The log built once more, from a place on, into tables that hold nothing made of it yet."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from uuid import uuid4

import msgspec

from domain.topics import EVENTS
from profiles.backfill import Backfill
from profiles.builder import Builder
from profiles.timers import Timers
from stores.eventlog.port import Batch, EventLog

_BATCH: Final = 500
_WAIT_SECONDS: Final = 0.2
_PATIENCE: Final = 25
"""Silent looks, of `_WAIT_SECONDS` each, after which nothing more is expected."""


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

        Returns how many records were read; `progress` hears the same as it grows. Raises `LogUnavailable`.
        """
        source = await self._log.source(EVENTS)
        left = {partition for partition, end in ends.items() if end > starts.get(partition, 0)}
        read = 0

        async def start(_partitions: object) -> dict[int, int]:
            return dict(starts)

        async with self._log.consume(EVENTS, f"tagway-replay-{uuid4().hex}", start) as consumer:
            idle = 0
            while left:
                batches = await consumer.next_batches(_BATCH, _WAIT_SECONDS)
                if not batches:
                    # What retention has removed at the end of a partition never comes.
                    idle += consumer.assigned >= left
                    if idle > _PATIENCE:
                        break
                    continue
                idle = 0
                left -= {batch.partition for batch in batches if batch.next_offset >= ends.get(batch.partition, 0)}
                wanted = [each for batch in batches for each in _within(batch, ends, since)]
                if wanted:
                    await self._builder.build([msgspec.structs.replace(batch, topic=source) for batch in wanted])
                read += sum(len(batch.records) for batch in batches)
                progress(read)
        await self._backfill.finish_all()
        while await self._timers.fire():
            pass
        return read


def _within(batch: Batch, ends: Mapping[int, int], since: datetime | None) -> list[Batch]:
    """Leave out what came after the replay began, and before the time it starts at."""
    end = ends.get(batch.partition, 0)
    records = tuple(each for each in batch.records if each.offset < end and (since is None or each.at >= since))
    return [msgspec.structs.replace(batch, records=records)] if records else []
