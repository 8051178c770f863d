"""Which log is opened, and when its topics are made."""

import asyncio
from datetime import timedelta

import pytest

from domain.topics import CONSENTS, DEAD_LETTERS, EVENTS, SEGMENT_CHANGES
from scripts.kafka import Broker
from stores.eventlog.brokers import Brokers
from stores.eventlog.kafka import KafkaLog
from stores.eventlog.open import open_log, topics
from stores.eventlog.port import EventLog
from stores.eventlog.postgres import PostgresLog
from stores.postgres import Database
from tests.stores.eventlog.books import (
    append_again,
    records,
)

pytestmark = pytest.mark.services


async def test_topics_not_made_for_want_of_a_broker_are_made_once_it_is_there(
    database_url: str, kafka_bootstrap: str, kafka_broker: Broker
) -> None:
    database = await Database.open(database_url, role="app")
    kafka_broker.kill()
    log = await open_log(Brokers(kafka_bootstrap), database)
    try:
        assert any(await log.append(EVENTS, records(1)))
        await asyncio.to_thread(kafka_broker.start)
        await append_again(log, EVENTS, records(1))
        assert set(await log.ends(SEGMENT_CHANGES)) == set(range(log.partitions))
    finally:
        await log.close()
        await database.close()


def test_what_people_did_is_kept_as_long_as_was_set() -> None:
    made = topics(timedelta(days=3))
    assert {name for name, spec in made.items() if spec.keep == timedelta(days=3)} == {EVENTS, DEAD_LETTERS, CONSENTS}
    assert {name for name, spec in made.items() if spec.compacted} == {SEGMENT_CHANGES, CONSENTS}


async def test_without_a_broker_the_log_is_in_the_database(database_url: str) -> None:
    database = await Database.open(database_url, role="app")
    log = await open_log(None, database)
    try:
        assert await log.append(EVENTS, records(3)) == [None] * 3
    finally:
        await log.close()
        await database.close()


async def test_each_log_has_its_own_name_for_a_topic(database_url: str, kafka_bootstrap: str) -> None:
    database = await Database.open(database_url, role="worker")
    logs: list[EventLog] = [PostgresLog(database), KafkaLog(Brokers(kafka_bootstrap))]
    try:
        sources = [await log.source(EVENTS) for log in logs]
        assert len(set(sources)) == len(logs)
        assert sources == [await log.source(EVENTS) for log in logs]
    finally:
        for log in logs:
            await log.close()
        await database.close()
