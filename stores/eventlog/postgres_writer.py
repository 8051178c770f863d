"""Group commit: one transaction at a time carries whatever concurrent callers wait to append."""

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Final

import asyncpg

from domain.errors import LogUnavailable, TagwayError
from stores.eventlog.port import Record
from stores.postgres import Connection, Database, is_lost

CHANNEL: Final = "tagway_log"
"""Where a topic's name is called out after a commit, to wake its readers. They would find the records without it."""

LOST: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""What talking to a server that stumbles or leaves may raise."""

# One statement is a transaction of its own, and spares the round trips of one. The row locks last until it commits;
# whoever appends takes them in the same order, so nobody waits in a circle.
_APPEND: Final = """
    WITH asked AS MATERIALIZED (
        SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[])
            AS asked (topic, partition, records, before)
    ), held AS MATERIALIZED (
        SELECT topic, partition FROM log_partition JOIN asked USING (topic, partition)
        ORDER BY topic, partition FOR UPDATE OF log_partition
    ), claimed AS (
        UPDATE log_partition SET next_offset = next_offset + asked.records
        FROM asked JOIN held USING (topic, partition)
        WHERE (log_partition.topic, log_partition.partition) = (asked.topic, asked.partition)
        RETURNING asked.*, next_offset - asked.records AS first
    )
    INSERT INTO log_record (topic, partition, "offset", key, value, traceparent)
    SELECT topic, partition, claimed.first + record.place - claimed.before - 1, key, value, traceparent
    FROM unnest($5::bytea[], $6::bytea[], $7::text[]) WITH ORDINALITY AS record (key, value, traceparent, place)
    JOIN claimed ON record.place > claimed.before AND record.place <= claimed.before + claimed.records
"""
_LARGEST_GROUP: Final = 4_000


class _Request:
    """What one caller waits to append to one topic: records already placed in partitions."""

    def __init__(self, topic: str, placed: Sequence[tuple[int, Record]]) -> None:
        self.topic = topic
        self.placed = placed
        self.kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Writer:
    """Owns the connection and the task that append. Made and closed inside the event loop that uses it.

    `patience` bounds one transaction, in seconds, so that a hung one does not hold up those that come after.
    """

    def __init__(self, database: Database, patience: float) -> None:
        self._database = database
        self._patience = patience
        self._session = AsyncExitStack()
        self._connection: Connection | None = None
        self._waiting: deque[_Request] = deque()
        self._arrived = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def write(self, topic: str, placed: Sequence[tuple[int, Record]]) -> None:
        """Return once the records are durable. Raises LogUnavailable; a caller that stops waiting is left out."""
        if self._task.done():
            raise LogUnavailable("The event log is closed.")
        request = _Request(topic, placed)
        self._waiting.append(request)
        self._arrived.set()
        await request.kept

    async def close(self) -> None:
        """Refuse whoever still waits and let go of the connection."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        _refuse(self._waiting)
        await self._disconnect()

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            group = self._take()
            try:
                connection = await self._connected()
                async with asyncio.timeout(self._patience):
                    await _write(connection, group)
                _acknowledge(group)
                async with asyncio.timeout(self._patience):
                    await _call_out(connection, group)
            except (TagwayError, *LOST) as error:
                self._database.heed(error)
                _refuse(group, error)
                await self._disconnect()
            finally:
                # A group that was not acknowledged must hear so even when this task is cancelled.
                _refuse(group)

    def _take(self) -> list[_Request]:
        group: list[_Request] = []
        size = 0
        while self._waiting and size < _LARGEST_GROUP:
            request = self._waiting.popleft()
            if not request.kept.done():
                group.append(request)
                size += len(request.placed)
        if not self._waiting:
            self._arrived.clear()
        return group

    async def _connected(self) -> Connection:
        if self._connection is None or is_lost(self._connection):
            await self._disconnect()
            self._connection = await self._session.enter_async_context(self._database.hold())
            # An acknowledgement means kept, whatever the server's own default is.
            await self._connection.execute("SET synchronous_commit = on")
        return self._connection

    async def _disconnect(self) -> None:
        self._connection = None
        await self._session.aclose()


async def _write(connection: Connection, group: Sequence[_Request]) -> None:
    by_partition: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
    for request in group:
        for partition, record in request.placed:
            by_partition[request.topic, partition].append(record)
    counts = [len(records) for records in by_partition.values()]
    rows = [record for records in by_partition.values() for record in records]
    written = await connection.execute(
        _APPEND,
        [topic for topic, _ in by_partition],
        [partition for _, partition in by_partition],
        counts,
        [before - count for before, count in zip(itertools.accumulate(counts), counts, strict=True)],
        [record.key for record in rows],
        [record.value for record in rows],
        [record.traceparent for record in rows] if any(record.traceparent for record in rows) else None,
    )
    if written != f"INSERT 0 {len(rows)}":
        raise LogUnavailable("A topic of the event log is gone.")


async def _call_out(connection: Connection, group: Sequence[_Request]) -> None:
    """Wake the readers, after the commit: a NOTIFY inside it would make all commits of the database wait in line."""
    for topic in {request.topic for request in group}:
        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, topic)


def _acknowledge(group: Sequence[_Request]) -> None:
    for request in group:
        if not request.kept.done():
            request.kept.set_result(None)


def _refuse(requests: Iterable[_Request], cause: BaseException | None = None) -> None:
    for request in requests:
        if not request.kept.done():
            refusal = LogUnavailable()
            refusal.__cause__ = cause
            request.kept.set_exception(refusal)
