"""What the tests of the log append, read and keep account of."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from typing import Any
from uuid import uuid4

import asyncpg

from domain.errors import LogUnavailable
from stores.eventlog.port import Batch, Consumer, EventLog, Record
from tests.patience import AT_ALL

PATIENCE = 5.0
Opener = Callable[[], Awaitable[EventLog]]


def records(count: int, *, keys: int = 7, tag: str = "") -> list[Record]:
    return [Record(f"key-{number % keys}".encode(), f"{tag}{number}".encode()) for number in range(count)]


async def from_the_beginning(_partitions: Collection[int]) -> dict[int, int]:
    return {}


async def read(consumer: Consumer, count: int, *, limit: int = 500, seconds: float = 20.0) -> list[Batch]:
    """Read until `count` records have come."""
    batches: list[Batch] = []
    async with asyncio.timeout(seconds):
        while sum(len(batch.records) for batch in batches) < count:
            found = await consumer.next_batches(limit, 1.0)
            batches += found
            for batch in found:
                await consumer.done(batch)
    return batches


async def read_all(log: EventLog, topic: str, count: int) -> list[Batch]:
    async with log.consume(topic, uuid4().hex, from_the_beginning) as consumer:
        return await read(consumer, count)


def values(batches: list[Batch]) -> Counter[bytes]:
    return Counter(record.value for batch in batches for record in batch.records)


class Books:
    """What a builder keeps in one transaction: the place reached in each partition, and the effect of the records."""

    def __init__(self) -> None:
        self.places: dict[int, int] = {}
        self.applied: Counter[bytes] = Counter()

    async def start(self, partitions: Collection[int]) -> dict[int, int]:
        return {part: self.places[part] for part in partitions if part in self.places}

    def apply(self, batch: Batch) -> None:
        """Skip what is older than the place reached; fail on a gap."""
        place = self.places.get(batch.partition, 0)
        assert batch.records[0].offset <= place
        self.applied.update(record.value for record in batch.records if record.offset >= place)
        self.places[batch.partition] = max(place, batch.next_offset)

    async def keep(self, consumer: Consumer, count: int) -> None:
        """Apply what comes until `count` different values have, through whatever befalls the log."""
        async with asyncio.timeout(AT_ALL):
            while len(self.applied) < count:
                try:
                    batches = await consumer.next_batches(50, 0.5)
                except LogUnavailable:
                    await asyncio.sleep(0.1)
                    continue
                for batch in batches:
                    self.apply(batch)
                    await consumer.done(batch)


async def append_again(log: EventLog, topic: str, wanted: list[Record]) -> None:
    """Append until it is acknowledged, as a client would that was told to retry."""
    async with asyncio.timeout(AT_ALL):
        while any(await log.append(topic, wanted)):
            await asyncio.sleep(0.1)


async def append_until(log: EventLog, topic: str, stop: asyncio.Event, tag: str) -> tuple[set[bytes], set[bytes]]:
    """Append without pause; return the values that were acknowledged and those that were tried."""
    kept: set[bytes] = set()
    tried: set[bytes] = set()
    turn = 0
    while not stop.is_set():
        batch = records(5, tag=f"{tag}-{turn}-")
        turn += 1
        tried.update(record.value for record in batch)
        results = await log.append(topic, batch)
        kept.update(record.value for record, result in zip(batch, results, strict=True) if result is None)
        if any(results):
            await asyncio.sleep(0.05)  # a store that refuses at once must not be asked thousands of times
    return kept, tried


async def under_fault(log: EventLog, topic: str, fault: Callable[[], Awaitable[None]]) -> None:
    """Append from several callers while the store fails: what was acknowledged must be there exactly once."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(append_until(log, topic, stop, str(caller))) for caller in range(8)]
        await fault()
        stop.set()
    kept: set[bytes] = set().union(*(caller.result()[0] for caller in callers))
    tried: set[bytes] = set().union(*(caller.result()[1] for caller in callers))
    await append_again(log, topic, [Record(b"k", b"after")])

    present = values(await read_all(log, topic, sum((await log.ends(topic)).values())))

    assert kept
    assert kept <= present.keys()
    assert {value for value in kept if present[value] != 1} == set()
    assert present.keys() - {b"after"} <= tried


async def poll_until(condition: Callable[[], bool], *consumers: Consumer) -> None:
    """Let the consumers work, on an empty log, until they have agreed."""
    async with asyncio.timeout(AT_ALL):
        while not condition():
            assert not any(await asyncio.gather(*(consumer.next_batches(1, 0.1) for consumer in consumers)))


async def disconnect_all(url: str) -> None:
    await execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


async def execute(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.execute(statement)
    finally:
        await connection.close()
