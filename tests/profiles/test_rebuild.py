"""The log built once more: to its very end, and so that builders can go on from there."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from domain.event import encode_event
from domain.topics import EVENTS
from profiles.builder import GROUP
from profiles.rebuild import Rebuild
from scripts.kafka import Broker
from stores.eventlog.brokers import Brokers
from stores.eventlog.kafka import KafkaLog
from stores.eventlog.open import KEEP, topics
from stores.eventlog.port import EventLog, Record
from stores.eventlog.postgres import PostgresLog
from stores.offsets import read_offsets
from tests.fixtures.world import NOON, Sent, World

pytestmark = pytest.mark.services
LARGE = {"text": random.Random(8).randbytes(350_000).hex()}
"""So large, also packed, that a client of Kafka fetches few of them ahead."""


@pytest.fixture
async def log(world: World) -> AsyncIterator[EventLog]:
    log = PostgresLog(world.database)
    await log.ensure_topics(topics(KEEP))
    yield log
    await log.close()


@pytest.fixture
async def kafka(kafka_bootstrap: str) -> AsyncIterator[EventLog]:
    log = KafkaLog(Brokers(kafka_bootstrap))
    await log.ensure_topics(topics(KEEP))
    yield log
    await log.close()


def rebuilding(world: World, log: EventLog) -> Rebuild:
    return Rebuild(log, builder=world.builder, backfill=world.backfill, timers=world.timers)


async def append(world: World, log: EventLog, *events: Sent) -> None:
    protected = [await world.protect(event) for event in events]
    records = [Record(event.subject.bytes, encode_event(event)) for event in protected]
    assert await log.append(EVENTS, records) == [None] * len(records)


async def test_brokers_that_say_nothing_for_a_while_are_waited_for(
    world: World, kafka: EventLog, kafka_broker: Broker
) -> None:
    starts = await kafka.ends(EVENTS)
    await append(world, kafka, *(Sent(("user_id:ada",), properties=LARGE) for _ in range(12)))
    frozen = asyncio.Event()

    def freeze(_read: int) -> None:
        if not frozen.is_set():
            frozen.set()
            kafka_broker.pause()
            asyncio.get_running_loop().call_later(8, kafka_broker.resume)

    try:
        read = await rebuilding(world, kafka).run(await kafka.ends(EVENTS), starts=starts, since=None, progress=freeze)
    finally:
        kafka_broker.resume()
    assert frozen.is_set()
    assert read == 12
    assert len(await world.fetch("SELECT FROM event")) == 12


async def test_builders_go_on_where_it_ended_also_where_all_was_left_out(world: World, log: EventLog) -> None:
    await append(world, log, *(Sent((f"user_id:{number}",)) for number in range(20)))
    ends = await log.ends(EVENTS)
    assert sum(bool(end) for end in ends.values()) > 1
    later = NOON + timedelta(days=365_000)
    assert await rebuilding(world, log).run(ends, starts={}, since=later, progress=lambda _: None) == 20
    async with world.database.across() as connection:
        assert await read_offsets(connection, GROUP, EVENTS) == ends


async def test_what_retention_has_removed_is_not_waited_for(world: World, log: EventLog) -> None:
    await append(world, log, *(Sent((f"user_id:{number}",), message_id=uuid4().hex) for number in range(20)))
    ends = await log.ends(EVENTS)
    await log.trim(EVENTS, NOON + timedelta(days=365_000))
    assert await rebuilding(world, log).run(ends, starts={}, since=None, progress=lambda _: None) == 0
