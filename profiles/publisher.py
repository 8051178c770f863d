"""Membership changes on their way out: numbered without gaps once they are committed, then put on Redis and the log.

One process publishes at a time; the database session that holds the lock ends with its process, and another takes over.
What was sent but not yet noted as sent is sent again, with the same positions.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from domain.clock import utc_now
from domain.errors import LogUnavailable, StoreUnavailable
from domain.segment import SegmentChange
from domain.topics import SEGMENT_CHANGES
from domain.tracing import UNTRACED, Tracer, spans
from profiles.metrics import BuildMetrics
from stores.changefeed import channel
from stores.changes import (
    CHANNEL,
    number_changes,
    read_changes,
    read_published,
    save_published,
    try_own_publishing,
)
from stores.eventlog.port import EventLog, Record
from stores.faults import Contended, transaction
from stores.postgres import Connection, Database
from stores.pubsub import publish
from stores.redis import Redis

Deliver = Callable[[Sequence[SegmentChange]], Awaitable[None]]

_LOG = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode
_AT_ONCE: Final = 500
_LOOK_EVERY: Final = 1.0
_RETRY_AFTER: Final = 0.5
_PATIENCE: Final = 0.2
"""How long one outlet that says nothing keeps the other waiting, once."""


class Outlet:
    """One place that changes go to, and how far it has come: one that is away or slow does not hold up the other.

    `sent` hears what it has taken, `late` that it has answered after all.
    """

    def __init__(
        self,
        name: str,
        deliver: Deliver,
        *,
        late: Callable[[], None],
        sent: Callable[[Sequence[SegmentChange]], None] = lambda _changes: None,
    ) -> None:
        self._name = name
        self._deliver = deliver
        self._late = late
        self._sent = sent
        self._under_way: asyncio.Task[bool] | None = None
        self.through = 0

    async def catch_up(self, connection: Connection, last: int) -> None:
        """Deliver what is numbered and not delivered, unless the place is away or still at what it got before."""
        if self._under_way is not None:
            if not self._under_way.done():
                return
            self._under_way.result()
        while self.through < last and (changes := await read_changes(connection, self.through, _AT_ONCE)):
            self._under_way = asyncio.create_task(self._try(changes))
            done, _ = await asyncio.wait([self._under_way], timeout=_PATIENCE)
            if not done:
                self._under_way.add_done_callback(lambda _: self._late())
                return
            if not self._under_way.result():
                return

    async def give_up(self) -> None:
        """Break off what is under way."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.wait([self._under_way])

    async def _try(self, changes: Sequence[SegmentChange]) -> bool:
        try:
            await self._deliver(changes)
        except (LogUnavailable, StoreUnavailable) as error:
            _LOG.warning("changes_not_delivered", outlet=self._name, problem=str(error))
            return False
        self.through = changes[-1].position
        self._sent(changes)
        return True


class Publisher:
    """Publishes while it holds the lock, and waits for the lock otherwise."""

    def __init__(
        self, database: Database, redis: Redis, log: EventLog, metrics: BuildMetrics, tracer: Tracer = UNTRACED
    ) -> None:
        self._database = database
        self._redis = redis
        self._log = log
        self._metrics = metrics
        self._tracer = tracer
        self._channel = ""
        self._noted = 0
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            try:
                async with self._database.hold(lively=True) as connection:
                    await self._serve(connection)
            except (StoreUnavailable, Contended) as error:
                _LOG.warning("publisher_waits", problem=str(error))
            await asyncio.sleep(_RETRY_AFTER)

    async def _serve(self, connection: Connection) -> None:
        while not await try_own_publishing(connection):  # noqa: ASYNC110 - a lock of Postgres wakes nobody here
            await asyncio.sleep(_LOOK_EVERY)
        await connection.add_listener(CHANNEL, self._hear)
        self._channel = await channel(connection)
        outlets = [
            Outlet("redis", self._to_redis, late=self._news.set, sent=self._measure),
            Outlet("log", self._to_log, late=self._news.set),
        ]
        self._noted = await read_published(connection)
        for outlet in outlets:
            outlet.through = self._noted
        try:
            while True:
                self._news.clear()
                full = await self.publish(connection, outlets)
                if not full:
                    await self._wait()
        finally:
            for outlet in outlets:
                await outlet.give_up()

    async def publish(self, connection: Connection, outlets: Sequence[Outlet]) -> bool:
        """Give numbers to what is committed and deliver it; True when more waits. Raises `StoreUnavailable`."""
        async with transaction(connection):
            numbered, last = await number_changes(connection, _AT_ONCE)
        for outlet in outlets:
            await outlet.catch_up(connection, last)
        through = min(outlet.through for outlet in outlets)
        if through > self._noted:
            async with transaction(connection):
                await save_published(connection, through)
            self._metrics.published.inc(through - self._noted)
            self._noted = through
        return numbered == _AT_ONCE

    def _hear(self, *_: Any) -> None:
        self._news.set()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_EVERY):
                await self._news.wait()
        except TimeoutError:
            return

    def _measure(self, changes: Sequence[SegmentChange]) -> None:
        oldest = min(change.at for change in changes)
        self._metrics.publish_behind.observe(max((utc_now() - oldest).total_seconds(), 0.0))

    async def _to_redis(self, changes: Sequence[SegmentChange]) -> None:
        with spans(self._tracer, "publish", (change.traceparent for change in changes)) as places:
            told = [_moved(change, places) for change in changes] if places else changes
            await publish(self._redis, self._channel, _encode(told))

    async def _to_log(self, changes: Sequence[SegmentChange]) -> None:
        records = [Record(change.profile_id.bytes, _encode(change), change.traceparent) for change in changes]
        for error in await self._log.append(SEGMENT_CHANGES, records):
            if error is not None:
                raise error


def _moved(change: SegmentChange, places: Mapping[str | None, str]) -> SegmentChange:
    """Hang what comes of a change on the span of its publishing."""
    return msgspec.structs.replace(change, traceparent=places.get(change.traceparent))
