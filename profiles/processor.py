"""All that one builder process does: it reads the log, and does what time, edited segments and subscribers ask for."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from domain.errors import LogUnavailable, StoreUnavailable
from domain.topics import EVENTS
from profiles.builder import GROUP, Builder
from profiles.lanes import open_lanes
from stores.eventlog.port import Batch, Consumer, EventLog
from stores.outage import STORE_FAULTS

LANES: Final = 4
"""Batches under way side by side; with fewer, Postgres and Python wait for each other too often."""
CONNECTIONS: Final = LANES + 16
"""What the lanes, the consumer and the chores need of the pool at most."""

Chore = Callable[[], Coroutine[Any, Any, object]]
"""Work that one process does beside the log for as long as it lives."""

_LOG = structlog.get_logger(__name__)
_BATCH: Final = 500
_WAIT_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 0.5
_DRAIN_SECONDS: Final = 10.0


class Places:
    """Where to read on. The source is asked for with each assignment, since the log may have been replaced."""

    source = EVENTS

    def __init__(self, log: EventLog, builder: Builder) -> None:
        self._log = log
        self._builder = builder
        self._next: dict[int, int] = {}

    async def start(self, partitions: Collection[int]) -> dict[int, int]:
        """Tell a consumer where to read on. Raises LogUnavailable, `StoreUnavailable`."""
        self.source = await self._log.source(EVENTS)
        starts = await self._builder.start_offsets(self.source, partitions)
        self._next.update({partition: starts.get(partition, 0) for partition in partitions})
        return starts

    def fallen_back(self, batches: Sequence[Batch]) -> dict[int, int]:
        """Give the offsets of those batches that begin before the place where their partition was to be read on."""
        fallen = {
            batch.partition: batch.records[0].offset
            for batch in batches
            if batch.records[0].offset < self._next.get(batch.partition, 0)
        }
        self._next.update({batch.partition: batch.next_offset for batch in batches})
        return fallen


class Processor:
    """Runs the parts side by side. The process is one member of the group of builders, with partitions of its own."""

    def __init__(
        self,
        log: EventLog,
        *,
        builder: Builder,
        chores: Mapping[str, Chore],
        lanes: int = LANES,
    ) -> None:
        self._log = log
        self._builder = builder
        self._chores = chores
        self._lanes = lanes

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish the batches that are under way."""
        async with asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(_again_and_again(name, chore), name=name) for name, chore in self._chores.items()
            ]
            reader = group.create_task(_again_and_again("read", partial(self._read, stop)), name="read")
            await stop.wait()
            _, late = await asyncio.wait([reader], timeout=_DRAIN_SECONDS)
            for task in [*late, *helpers]:
                task.cancel()

    async def _read(self, stop: asyncio.Event) -> None:
        places = Places(self._log, self._builder)
        async with self._log.consume(EVENTS, GROUP, places.start) as consumer, open_lanes(self._lanes) as lanes:
            behind = False
            while not stop.is_set():
                if not behind:
                    await lanes.finish()
                try:
                    batches = await consumer.next_batches(_BATCH, _WAIT_SECONDS)
                except (LogUnavailable, StoreUnavailable) as error:
                    _LOG.warning("log_unavailable", problem=str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                if fallen := places.fallen_back(batches):
                    await lanes.finish()
                    await self._fall_back(places.source, fallen)
                behind = sum(len(batch.records) for batch in batches) >= _BATCH
                for together in _cut(batches, behind):
                    await lanes.free()
                    partitions = [batch.partition for batch in together]
                    lanes.take(partitions, partial(self._build, consumer, places.source, together))
            await lanes.finish()

    async def _fall_back(self, source: str, offsets: Mapping[int, int]) -> None:
        """Build anew from where the log begins: brokers that have lost records give their offsets to others.

        What is built already is told by its message id.
        """
        _LOG.error("log_fell_back", partitions=sorted(offsets))
        await self._builder.go_on_at(source, offsets)

    async def _build(self, consumer: Consumer, source: str, batches: Sequence[Batch]) -> None:
        await self._builder.build([msgspec.structs.replace(batch, topic=source) for batch in batches])
        for batch in batches:
            await consumer.done(batch)


def _cut(batches: list[Batch], behind: bool) -> list[list[Batch]]:
    """Tell what goes into one transaction: all costs least, but only a transaction each uses all lanes."""
    if behind:
        return [[batch] for batch in batches]
    return [batches] if batches else []


async def _again_and_again(name: str, chore: Chore) -> None:
    """Begin work anew that a store's failure has ended: a process that lives on needs nobody to start it again."""
    while True:
        try:
            await chore()
        except STORE_FAULTS as error:
            _LOG.warning("begins_anew", work=name, problem=type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return
