"""A log on each of its two stores."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

import pytest

from stores.eventlog.brokers import Brokers
from stores.eventlog.kafka import KafkaLog
from stores.eventlog.port import EventLog, TopicSpec
from stores.eventlog.postgres import PostgresLog
from stores.postgres import Database
from tests.stores.eventlog.books import PATIENCE, Opener


@pytest.fixture(params=["postgres", "kafka"])
def store(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Which log the test runs on, and the address of its store."""
    return request.param, request.getfixturevalue("database_url" if request.param == "postgres" else "kafka_bootstrap")


@pytest.fixture
async def open_one(store: tuple[str, str]) -> AsyncIterator[Opener]:
    """Opens logs on the same store, each as a process of its own would."""
    kind, address = store
    async with AsyncExitStack() as stack:

        async def open_another() -> EventLog:
            log: EventLog
            if kind == "postgres":
                database = await Database.open(address, role="worker")
                stack.push_async_callback(database.close)
                log = PostgresLog(database, patience=PATIENCE)
            else:
                log = KafkaLog(Brokers(address), patience=PATIENCE)
            stack.push_async_callback(log.close)
            return log

        yield open_another


@pytest.fixture
async def log(open_one: Opener) -> EventLog:
    return await open_one()


@pytest.fixture
async def topic(log: EventLog) -> str:
    name = f"test.{uuid4().hex}"
    await log.ensure_topics({name: TopicSpec(keep=timedelta(days=1))})
    return name
