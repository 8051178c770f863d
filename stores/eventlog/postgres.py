"""The event log in Postgres, the embedded default: durable, with nothing more to run or to back up."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from domain.errors import LogUnavailable, Refused, StoreUnavailable, TagwayError
from stores.eventlog.port import LARGEST_RECORD, Consumer, Record, StartOffsets, TopicSpec, partition_of
from stores.eventlog.postgres_consumer import ENDS, UNKNOWN_TOPIC, PostgresConsumer
from stores.eventlog.postgres_writer import LOST, Writer
from stores.postgres import Connection, Database

# A topic keeps the count of partitions that it began with: another count would part a key from its past.
_CREATE: Final = """
    INSERT INTO log_partition (topic, partition)
    SELECT $1, partition FROM generate_series(0, $2 - 1) AS partition
    WHERE NOT EXISTS (SELECT FROM log_partition WHERE topic = $1)
    ON CONFLICT DO NOTHING
"""
_BOUNDS: Final = """
    SELECT partition, next_offset, (
        SELECT "offset" FROM log_record AS record
        WHERE record.topic = $1 AND record.partition = log_partition.partition ORDER BY "offset" LIMIT 1
    ) AS first_offset
    FROM log_partition WHERE topic = $1
"""
_FIRST_TAKEN: Final = """
    SELECT at FROM log_record WHERE topic = $1 AND partition = $2 AND "offset" >= $3 ORDER BY "offset" LIMIT 1
"""
_REMOVE: Final = """
    DELETE FROM log_record WHERE topic = $1 AND partition = $2 AND "offset" IN (
        SELECT "offset" FROM log_record
        WHERE topic = $1 AND partition = $2 AND "offset" < $3 ORDER BY "offset" LIMIT $4)
"""
_REMOVE_AT_ONCE: Final = 5_000
_EMPTY: Final = """
    UPDATE log_record SET key = '', value = ''
    WHERE topic = $1 AND partition = $2 AND "offset" >= $4 AND "offset" < $5 AND key = ANY($3::bytea[])
"""
_READ_AT_ONCE: Final = 20_000
"""So many records are looked through by one statement: a log may be longer than any statement may take."""


class PostgresLog:
    """The log in the tables of one database. `patience` is how many seconds an append may take."""

    def __init__(self, database: Database, *, partitions: int = 4, patience: float = 10.0) -> None:
        self.partitions = partitions
        self._database = database
        self._patience = patience
        self._writer = Writer(database, patience)
        self._counts: dict[str, int] = {}

    async def append(self, topic: str, records: Sequence[Record]) -> list[TagwayError | None]:
        """Append in one transaction with whoever else waits; see the port."""
        results = [_refusal(record) for record in records]
        try:
            async with asyncio.timeout(self._patience):
                count = await self._count(topic)
                fitting = zip(records, results, strict=True)
                placed = [(partition_of(record.key, count), record) for record, refusal in fitting if refusal is None]
                if placed:
                    await self._writer.write(topic, placed)
        except (TimeoutError, LogUnavailable):
            return [refusal or LogUnavailable() for refusal in results]
        return results

    async def ensure_topics(self, topics: Mapping[str, TopicSpec]) -> None:
        """Create missing topics. All are kept until trimmed, also those that Kafka would compact."""
        async with self._borrowed() as connection:
            for topic in sorted(topics):
                await connection.execute(_CREATE, topic, self.partitions)

    @asynccontextmanager
    async def consume(self, topic: str, group: str, start: StartOffsets) -> AsyncIterator[Consumer]:
        """Join the group, and leave it at the end."""
        consumer = PostgresConsumer(self._database, topic, group, start)
        try:
            yield consumer
        finally:
            await consumer.leave()

    async def source(self, topic: str) -> str:
        """Return the topic's own name: a database holds one log."""
        return topic

    async def ends(self, topic: str) -> dict[int, int]:
        """Return the next offset of each partition."""
        async with self._borrowed() as connection:
            return dict(await connection.fetch(ENDS, topic))

    async def first_taken(self, topic: str, places: Mapping[int, int]) -> datetime | None:
        """Look at one record of each partition."""
        async with self._borrowed() as connection:
            taken = [
                await connection.fetchval(_FIRST_TAKEN, topic, partition, offset)
                for partition, offset in places.items()
            ]
        return min((at for at in taken if at is not None), default=None)

    async def trim(self, topic: str, before: datetime, passed: Mapping[int, int] | None = None) -> None:
        """Remove what is older, a few thousand records at a time so that nobody waits for it."""
        async with self._borrowed() as connection:
            for partition, end, start in await connection.fetch(_BOUNDS, topic):
                if start is None:
                    continue
                first_kept = await _first_since(connection, topic, partition, range(start, end), before)
                if passed is not None:
                    first_kept = min(first_kept, passed.get(partition, first_kept))
                removed = "DELETE -1"
                while removed != "DELETE 0":
                    removed = await connection.execute(_REMOVE, topic, partition, first_kept, _REMOVE_AT_ONCE)

    async def forget(self, topic: str, keys: Collection[bytes]) -> int:
        """Empty the records of these keys, each in the one partition where it can lie."""
        count = await self._count(topic)
        by_partition: dict[int, list[bytes]] = defaultdict(list)
        for key in keys:
            by_partition[partition_of(key, count)].append(key)
        emptied = 0
        async with self._borrowed() as connection:
            for partition, end, start in await connection.fetch(_BOUNDS, topic):
                if start is None or partition not in by_partition:
                    continue
                for first in range(start, end, _READ_AT_ONCE):
                    those = by_partition[partition], first, first + _READ_AT_ONCE
                    status = await connection.execute(_EMPTY, topic, partition, *those)
                    emptied += int(status.rpartition(" ")[2])
        return emptied

    async def healthy(self) -> bool:
        """Ask the database."""
        return await self._database.healthy()

    async def close(self) -> None:
        """Stop writing. The database stays open, for it was lent."""
        await self._writer.close()

    async def _count(self, topic: str) -> int:
        if topic not in self._counts:
            count = len(await self.ends(topic))
            if not count:
                raise LogUnavailable(UNKNOWN_TOPIC)
            self._counts[topic] = count
        return self._counts[topic]

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Connection]:
        try:
            async with self._database.workspace(None) as connection:
                yield connection
        except (StoreUnavailable, *LOST) as error:
            raise LogUnavailable from error


async def _first_since(connection: Connection, topic: str, partition: int, offsets: range, moment: datetime) -> int:
    """Find the first record that the log took at a moment or later, by halving: their times grow with their offsets."""
    low, high = offsets.start, offsets.stop
    while low < high:
        middle = (low + high) // 2
        at = await connection.fetchval(_FIRST_TAKEN, topic, partition, middle)
        if at is None or at >= moment:
            high = middle
        else:
            low = middle + 1
    return low


def _refusal(record: Record) -> TagwayError | None:
    if len(record.key) + len(record.value) > LARGEST_RECORD:
        return Refused("A record may hold at most 1 MB.", code="event_too_large")
    return None
