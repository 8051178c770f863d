from datetime import UTC, datetime
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from domain.errors import LogUnavailable
from scripts.kafka import Broker
from stores.eventlog.brokers import Brokers
from stores.eventlog.kafka import KafkaLog
from stores.eventlog.kafka_walk import walk
from stores.eventlog.port import Record, TopicSpec

pytestmark = pytest.mark.services


async def test_a_topic_is_walked_to_its_end(kafka_bootstrap: str) -> None:
    topic, log = f"test.{uuid4().hex}", KafkaLog(Brokers(kafka_bootstrap))
    try:
        await log.ensure_topics({topic: TopicSpec()})
        assert [value async for value in walk(Brokers(kafka_bootstrap), topic)] == []
        sent = [Record(bytes([number % 9]), b"%d" % number) for number in range(1_200)]
        assert await log.append(topic, sent) == [None] * len(sent)
    finally:
        await log.close()
    walked = [value async for value in walk(Brokers(kafka_bootstrap), topic)]
    assert sorted(walked) == sorted(record.value for record in sent)
    for key in range(9):
        own = [value for value in walked if int(value) % 9 == key]
        assert own == sorted(own, key=int)


async def test_a_topic_that_is_not_there_holds_nothing(kafka_bootstrap: str) -> None:
    assert [value async for value in walk(Brokers(kafka_bootstrap), "test.missing")] == []


async def test_a_broker_that_is_away_is_told(kafka_bootstrap: str, kafka_broker: Broker) -> None:
    kafka_broker.kill()
    with pytest.raises(LogUnavailable):
        assert [value async for value in walk(Brokers(kafka_bootstrap), "test.missing", patience=2.0)]


async def test_a_strangers_record_of_an_impossible_time_was_taken_long_ago(kafka_bootstrap: str) -> None:
    topic, log = f"test.{uuid4().hex}", KafkaLog(Brokers(kafka_bootstrap))
    try:
        await log.ensure_topics({topic: TopicSpec()})
        async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as stranger:
            await stranger.send_and_wait(topic, b"value", partition=0, timestamp_ms=-(10**17))
        assert await log.first_taken(topic, {0: 0}) == datetime(1970, 1, 1, tzinfo=UTC)
    finally:
        await log.close()
