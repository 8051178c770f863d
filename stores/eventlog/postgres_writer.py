"""Group commit: one transaction at a time carries whatever concurrent callers wait to append."""

import asyncio
from collections import Counter, deque
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
    WITH held AS MATERIALIZED (
        SELECT topic, partition, asked.records
        FROM log_partition JOIN unnest($1::text[], $2::integer[], $3::bigint[]) AS asked (topic, partition, records)
            USING (topic, partition)
        ORDER BY topic, partition FOR UPDATE OF log_partition
    ), claimed AS (
        UPDATE log_partition SET next_offset = next_offset + held.records FROM held
        WHERE (log_partition.topic, log_partition.partition) = (held.topic, held.partition)
        RETURNING log_partition.topic, log_partition.partition, next_offset - held.records AS first
    )
    INSERT INTO log_record (topic, partition, "offset", key, value, traceparent)
    SELECT topic, partition, claimed.first + record.place, record.key, record.value, record.traceparent
    FROM unnest($4::text[], $5::integer[], $6::bigint[], $7::bytea[], $8::bytea[], $9::text[])
        AS record (topic, partition, place, key, value, traceparent)
    JOIN claimed USING (topic, partition)
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
    counts: Counter[tuple[str, int]] = Counter()
    rows: list[tuple[str, int, int, bytes, bytes, str | None]] = []
    for request in group:
        topic = request.topic
        for partition, record in request.placed:
            place = counts[topic, partition]
            counts[topic, partition] = place + 1
            rows.append((topic, partition, place, record.key, record.value, record.traceparent))
    asked = [(topic, partition, count) for (topic, partition), count in counts.items()]
    written = await connection.execute(_APPEND, *_columns(asked), *_columns(rows))
    if written != f"INSERT 0 {len(rows)}":
        raise LogUnavailable("A topic of the event log is gone.")


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


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
