"""What only the log on Kafka goes through."""

import asyncio
from datetime import UTC, datetime

import pytest
from aiokafka import AIOKafkaProducer

from domain.errors import LogUnavailable
from scripts.kafka import Broker
from stores.eventlog.port import EventLog, Record
from tests.stores.eventlog.books import (
    PATIENCE,
    Books,
    Opener,
    append_again,
    read_all,
    records,
    under_fault,
    values,
)

pytestmark = pytest.mark.services


@pytest.mark.parametrize("store", ["kafka"], indirect=True)
async def test_a_broker_killed_and_back_keeps_each_acknowledged_record_once(
    log: EventLog, topic: str, kafka_broker: Broker
) -> None:
    async def fault() -> None:
        for _ in range(2):
            await asyncio.sleep(0.5)
            kafka_broker.kill()
            await asyncio.to_thread(kafka_broker.start)
        await asyncio.sleep(0.5)

    await under_fault(log, topic, fault)


@pytest.mark.parametrize("store", ["kafka"], indirect=True)
async def test_a_consumer_outlives_its_broker(log: EventLog, topic: str, kafka_broker: Broker) -> None:
    books = Books()
    async with log.consume(topic, "outliving", books.start) as consumer:
        await log.append(topic, records(10))
        await books.keep(consumer, 10)
        kafka_broker.kill()
        assert not await log.healthy()
        with pytest.raises(LogUnavailable):
            await log.ends(topic)
        await asyncio.to_thread(kafka_broker.start)
        await append_again(log, topic, records(10, tag="later-"))
        await books.keep(consumer, 20)


@pytest.mark.parametrize("store", ["kafka"], indirect=True)
async def test_a_frozen_broker_is_told_within_the_patience_and_repeats_nothing(
    log: EventLog, topic: str, kafka_broker: Broker
) -> None:
    assert await log.append(topic, [Record(b"k", b"before")]) == [None]
    kafka_broker.pause()
    try:
        async with asyncio.timeout(PATIENCE + 20):
            results = await log.append(topic, [Record(b"k", b"during")])
    finally:
        kafka_broker.resume()
    assert [type(result) for result in results] == [LogUnavailable]
    await append_again(log, topic, [Record(b"k", b"after")])

    seen = values(await read_all(log, topic, sum((await log.ends(topic)).values())))
    assert seen[b"before"] == 1
    assert seen[b"during"] <= 1
    assert seen[b"after"] >= 1


@pytest.mark.parametrize("store", ["kafka"], indirect=True)
async def test_a_strangers_record_of_an_impossible_time_is_read_like_any_other(
    log: EventLog, topic: str, kafka_bootstrap: str
) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as stranger:
        await stranger.send_and_wait(topic, b"no key", partition=0, timestamp_ms=-(10**17))
    ((record,),) = [batch.records for batch in await read_all(log, topic, 1)]
    assert (record.key, record.value, record.at) == (b"", b"no key", datetime(1970, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("store", ["kafka"], indirect=True)
async def test_a_broker_that_is_away_is_told_within_the_patience(
    open_one: Opener, kafka_broker: Broker, topic: str
) -> None:
    kafka_broker.kill()
    log = await open_one()

    async with asyncio.timeout(PATIENCE + 20):
        results = await log.append(topic, records(3))

    assert [type(result) for result in results] == [LogUnavailable] * 3
    assert not await log.healthy()
