"""Reading the log that lives in Postgres, as one member of a group."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final

from domain.errors import LogUnavailable, StoreUnavailable
from stores.eventlog.port import Batch, StartOffsets, Stored
from stores.eventlog.postgres_share import Share
from stores.eventlog.postgres_writer import CHANNEL, LOST
from stores.postgres import Connection, Database, is_lost

ENDS: Final = "SELECT partition, next_offset FROM log_partition WHERE topic = $1"
UNKNOWN_TOPIC: Final = "This topic does not exist."
_READ: Final = """
    SELECT "offset", key, value, at, traceparent FROM log_record
    WHERE topic = $1 AND partition = $2 AND "offset" >= $3
    ORDER BY "offset" LIMIT $4
"""
_READ_SECONDS: Final = 10.0
_BALANCE_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 1.0
"""How long a call-out that got lost may delay a record."""


class PostgresConsumer:
    """Reads over one connection, whose session holds the member's partitions. It works only inside `next_batches`."""

    def __init__(self, database: Database, topic: str, group: str, start: StartOffsets) -> None:
        self._database = database
        self._topic = topic
        self._group = group
        self._start = start
        self._session = AsyncExitStack()
        self._connection: Connection | None = None
        self._share: Share | None = None
        self._balance_at = 0.0
        self._positions: dict[int, int] = {}
        self._last_read = -1
        self._news = asyncio.Event()

    @property
    def assigned(self) -> frozenset[int]:
        """The partitions that this member holds and knows its place in."""
        return frozenset(self._positions)

    async def next_batches(self, limit: int, wait: float) -> list[Batch]:
        """Read the partitions, taking turns in who comes first; see the port."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + wait
        while True:
            self._news.clear()
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    connection, share = await self._joined()
                    ends = dict(await connection.fetch(ENDS, self._topic))
                    if not ends:
                        raise LogUnavailable(UNKNOWN_TOPIC)
                    if clock() >= self._balance_at:
                        await share.balance(len(ends))
                        self._balance_at = clock() + _BALANCE_SECONDS
            except (StoreUnavailable, *LOST) as error:
                await self.leave()
                raise LogUnavailable from error
            await self._place(share.held)
            try:
                batches = await self._read(connection, ends, limit)
            except LOST as error:
                await self.leave()
                raise LogUnavailable from error
            remaining = deadline - clock()
            if batches or remaining <= 0:
                return batches
            await _event(self._news, min(remaining, _LOOK_SECONDS, max(self._balance_at - clock(), 0.0)))

    async def done(self, batch: Batch) -> None:
        """Note nothing: the caller's own offset row says how far the group is."""

    async def leave(self) -> None:
        """End the session and with it the membership; the others share what it held."""
        self._connection = self._share = None
        self._positions.clear()
        await self._session.aclose()

    async def _joined(self) -> tuple[Connection, Share]:
        if self._connection is not None and self._share is not None:
            if is_lost(self._connection):
                raise StoreUnavailable("Postgres was lost while nothing was asked of it")
            return self._connection, self._share
        await self.leave()
        connection = await self._session.enter_async_context(self._database.hold(lively=True))
        await connection.add_listener(CHANNEL, self._hear)
        share = Share(connection, self._topic, self._group)
        await share.join()
        self._connection, self._share, self._balance_at = connection, share, 0.0
        return connection, share

    def _hear(self, _connection: Any, _process: int, _channel: str, topic: object) -> None:
        if topic == self._topic:
            self._news.set()

    async def _place(self, held: frozenset[int]) -> None:
        for lost in self._positions.keys() - held:
            del self._positions[lost]
        gained = sorted(held - self._positions.keys())
        if gained:
            starts = await self._start(gained)
            self._positions.update({partition: starts.get(partition, 0) for partition in gained})

    async def _read(self, connection: Connection, ends: dict[int, int], limit: int) -> list[Batch]:
        batches: list[Batch] = []
        mine = sorted(self._positions, key=lambda partition: (partition <= self._last_read, partition))
        for partition in mine:
            if not limit:
                break
            position = self._positions[partition]
            if position >= ends.get(partition, 0):
                continue
            rows = await connection.fetch(_READ, self._topic, partition, position, limit, timeout=_READ_SECONDS)
            if not rows:
                # What was here has been trimmed, up to the end that we know.
                self._positions[partition] = ends[partition]
                continue
            records = tuple(Stored(partition, *row) for row in rows)
            batches.append(Batch(self._topic, partition, records))
            self._positions[partition] = batches[-1].next_offset
            self._last_read = partition
            limit -= len(records)
        return batches


async def _event(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
