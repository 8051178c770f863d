"""Changes leave numbered without a gap, in order per person, once per position or again with the same position."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import pytest
import redis.asyncio

from domain.errors import LogUnavailable, TagwayError
from domain.segment import ChangeKind, SegmentChange
from domain.topics import SEGMENT_CHANGES
from profiles.publisher import Publisher
from stores.changefeed import channel
from stores.changes import NewChange, add_changes, call_publisher, number_changes
from stores.eventlog.open import KEEP, topics
from stores.eventlog.postgres import PostgresLog
from stores.faults import Contended, transaction
from stores.postgres import Database
from stores.redis import Redis, open_redis
from tests.fixtures.world import World
from tests.patience import AT_ALL

pytestmark = pytest.mark.services
decode = msgspec.json.Decoder(list[SegmentChange]).decode


class FailingLog(PostgresLog):
    """A log that can be away, or say nothing until `answering` is set."""

    away = False
    answering: asyncio.Event | None = None

    async def append(self, topic: str, records: object) -> list[TagwayError | None]:
        assert isinstance(records, list)
        if self.answering is not None:
            await self.answering.wait()
        if self.away:
            return [LogUnavailable() for _ in records]
        return await super().append(topic, records)


class Ear:
    """Hears what is published on Redis."""

    def __init__(self, pubsub: redis.asyncio.client.PubSub) -> None:
        self._pubsub = pubsub
        self.heard: list[SegmentChange] = []

    async def until(self, position: int) -> None:
        async with asyncio.timeout(AT_ALL):
            while not self.heard or self.heard[-1].position < position:
                message = await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=1.0)
                if message is not None:
                    self.heard += decode(message["data"])


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    client = await open_redis(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def ear(client: Redis, world: World) -> AsyncIterator[Ear]:
    async with client.pubsub() as pubsub:
        async with world.database.across() as connection:
            await pubsub.subscribe(await channel(connection))
        await pubsub.get_message(timeout=5.0)
        yield Ear(pubsub)


@pytest.fixture
async def log(world: World) -> AsyncIterator[FailingLog]:
    log = FailingLog(world.database)
    await log.ensure_topics(topics(KEEP))
    yield log
    await log.close()


@asynccontextmanager
async def publishing(world: World, client: Redis, log: PostgresLog) -> AsyncIterator[None]:
    task = asyncio.create_task(Publisher(world.database, client, log, world.metrics).run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def change(profile: UUID, version: int) -> NewChange:
    kind = ChangeKind.ENTERED if version % 2 else ChangeKind.EXITED
    return NewChange(profile, version, uuid4(), "key", 1, kind, datetime.now(UTC), {"event": "m"})


async def commit(database: Database, workspace: UUID, changes: list[NewChange], pause: float = 0.0) -> None:
    async with database.across() as connection:
        async with connection.transaction():
            await add_changes(connection, workspace, changes)
            await asyncio.sleep(pause)
        await call_publisher(connection)


async def test_a_change_that_goes_while_it_is_numbered_leaves_no_gap(world: World) -> None:
    person, other = uuid4(), uuid4()
    await commit(world.database, world.workspace, [change(person, 1), change(other, 1)])

    async def number() -> tuple[int, int]:
        async with world.database.across() as connection, transaction(connection):
            return await number_changes(connection, 10)

    async with world.database.across() as connection:
        async with connection.transaction():
            await connection.execute("DELETE FROM segment_change WHERE profile_id = $1", person)
            numbering = asyncio.create_task(number())
            async with asyncio.timeout(AT_ALL):
                while not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                    await asyncio.sleep(0.02)
        with pytest.raises(Contended):
            await numbering
    await commit(world.database, world.workspace, [change(other, 2)])
    assert await number() == (2, 2)
    rows = await world.fetch("SELECT profile_version, position FROM segment_change ORDER BY position")
    assert [tuple(row) for row in rows] == [(1, 1), (2, 2)]


async def logged(log: PostgresLog) -> list[int]:
    """Positions on the log, in the order of their appending per partition."""

    async def start(_partitions: object) -> dict[int, int]:
        return {}

    found = []
    async with log.consume(SEGMENT_CHANGES, uuid4().hex, start) as consumer:
        while batches := await consumer.next_batches(500, 0.3):
            told = [record.value for batch in batches for record in batch.records]
            found += [msgspec.json.decode(value, type=SegmentChange).position for value in told]
    return found


async def published(world: World, through: int) -> None:
    """Wait until it is noted that everything has reached both Redis and the log."""
    async with asyncio.timeout(AT_ALL):
        while (await world.fetch("SELECT published_through FROM publisher"))[0][0] < through:
            await asyncio.sleep(0.02)


async def test_positions_have_no_gaps_under_concurrent_commits(
    world: World, client: Redis, log: FailingLog, ear: Ear
) -> None:
    chance = random.Random(1)

    async def person(profile: UUID) -> None:
        for version in range(1, 21):
            await commit(world.database, world.workspace, [change(profile, version)], chance.random() * 0.01)

    people = [uuid4() for _ in range(8)]
    async with publishing(world, client, log):
        await asyncio.gather(*(person(profile) for profile in people))
        await ear.until(160)
        await published(world, 160)
    assert [heard.position for heard in ear.heard] == list(range(1, 161))
    for profile in people:
        assert [heard.profile_version for heard in ear.heard if heard.profile_id == profile] == list(range(1, 21))
    assert sorted(await logged(log)) == list(range(1, 161))


async def test_another_publisher_takes_over_and_nothing_is_missed(
    world: World, client: Redis, log: FailingLog, ear: Ear
) -> None:
    profile = uuid4()
    async with publishing(world, client, log):
        async with publishing(world, client, log):
            await commit(world.database, world.workspace, [change(profile, 1)])
            await published(world, 1)
        await commit(world.database, world.workspace, [change(profile, 2)])
        await published(world, 2)
    await commit(world.database, world.workspace, [change(profile, 3)])
    await world.execute("UPDATE publisher SET published_through = 1")  # as if it died before it noted the second
    async with publishing(world, client, log):
        await ear.until(3)
    assert [heard.position for heard in ear.heard] == [1, 2, 2, 3]


async def test_a_log_that_is_away_holds_up_nobody_on_redis(
    world: World, client: Redis, log: FailingLog, ear: Ear
) -> None:
    log.away = True
    async with publishing(world, client, log):
        await commit(world.database, world.workspace, [change(uuid4(), 1)])
        await ear.until(1)
        rows = await world.fetch("SELECT published_through FROM publisher")
        assert rows[0]["published_through"] == 0
        log.away = False
        await commit(world.database, world.workspace, [change(uuid4(), 1)])
        await ear.until(2)
        await published(world, 2)
    assert sorted(await logged(log)) == [1, 2]
    assert [heard.position for heard in ear.heard] == [1, 2]


async def test_a_log_that_says_nothing_holds_up_nobody_on_redis(
    world: World, client: Redis, log: FailingLog, ear: Ear
) -> None:
    log.answering = asyncio.Event()
    async with publishing(world, client, log):
        for position in (1, 2, 3):
            await commit(world.database, world.workspace, [change(uuid4(), 1)])
            await ear.until(position)
        rows = await world.fetch("SELECT published_through FROM publisher")
        assert rows[0]["published_through"] == 0
        log.answering.set()
        await published(world, 3)
    assert sorted(await logged(log)) == [1, 2, 3]
    assert [heard.position for heard in ear.heard] == [1, 2, 3]
