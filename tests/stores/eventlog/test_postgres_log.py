"""What only the log in Postgres goes through."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from domain.clock import utc_now
from domain.errors import LogUnavailable
from stores.eventlog.port import EventLog, Record, TopicSpec
from stores.eventlog.postgres import PostgresLog
from stores.postgres import Database
from tests.stores.eventlog.books import (
    PATIENCE,
    append_again,
    disconnect_all,
    execute,
    from_the_beginning,
    read,
    read_all,
    records,
    under_fault,
    values,
)

pytestmark = pytest.mark.services


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_connections_killed_in_the_middle_keep_each_acknowledged_record_once(
    log: EventLog, topic: str, database_url: str
) -> None:
    async def fault() -> None:
        for _ in range(10):
            await asyncio.sleep(0.1)
            await disconnect_all(database_url)

    await under_fault(log, topic, fault)


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_a_hung_transaction_is_told_within_the_patience(log: EventLog, topic: str, database_url: str) -> None:
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            await other.execute("SELECT FROM log_partition WHERE topic = $1 FOR UPDATE", topic)
            async with asyncio.timeout(PATIENCE + 20):
                results = await log.append(topic, records(3, tag="hung-"))
        assert [type(result) for result in results] == [LogUnavailable] * 3
    finally:
        await other.close()

    await append_again(log, topic, [Record(b"k", b"after")])
    # Those that were not acknowledged may be in the log, where they hung at the very moment that the lock was let go.
    kept = values(await read_all(log, topic, sum((await log.ends(topic)).values())))
    assert kept[b"after"] == 1
    assert set(kept.values()) == {1}


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_the_role_of_the_gateway_may_append_and_read(topic: str, database_url: str) -> None:
    database = await Database.open(database_url, role="app")
    gateway = PostgresLog(database)
    try:
        await gateway.ensure_topics({topic: TopicSpec(), "of.the.gateway": TopicSpec()})
        assert await gateway.append(topic, records(10)) == [None] * 10
        assert len(values(await read_all(gateway, topic, 10))) == 10
    finally:
        await gateway.close()
        await database.close()


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_a_consumer_that_lost_its_connection_says_so_and_comes_back(
    log: EventLog, topic: str, database_url: str
) -> None:
    async with log.consume(topic, "returning", from_the_beginning) as consumer:
        assert await consumer.next_batches(10, 0.1) == []
        waiting = asyncio.create_task(consumer.next_batches(10, 30.0))
        await asyncio.sleep(0)
        await disconnect_all(database_url)
        with pytest.raises(LogUnavailable):
            await waiting
        await append_again(log, topic, [Record(b"k", b"v")])
        assert values(await read(consumer, 1)) == {b"v": 1}


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_trimming_removes_the_old_and_readers_go_on_behind_it(
    log: EventLog, topic: str, database_url: str
) -> None:
    await log.append(topic, records(50, tag="old-"))
    await execute(database_url, "UPDATE log_record SET at = at - interval '2 days'")
    await log.append(topic, records(50, tag="new-"))

    yesterday = utc_now() - timedelta(days=1)
    await log.trim(topic, yesterday, dict.fromkeys(await log.ends(topic), 0))
    assert len(values(await read_all(log, topic, 100))) == 100, "nobody has read them yet"

    await log.trim(topic, yesterday)
    assert all(value.startswith(b"new-") for value in values(await read_all(log, topic, 50)))

    await log.trim(topic, utc_now() + timedelta(seconds=1), await log.ends(topic))
    await log.append(topic, [Record(b"k", b"newest")])
    assert values(await read_all(log, topic, 1)) == {b"newest": 1}


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_a_long_log_is_emptied_piece_by_piece(
    log: EventLog, topic: str, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setattr("stores.eventlog.postgres._READ_AT_ONCE", 7)
    for number in range(5):
        await log.append(topic, [Record(b"ann", b"%d" % each) for each in range(10)] + records(20, tag=f"{number}-"))
    await execute(database_url, 'DELETE FROM log_record WHERE "offset" < 3')
    emptied = await log.forget(topic, [b"ann"])
    assert 45 <= emptied <= 50
    assert await log.forget(topic, [b"ann"]) == 0


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_nothing_is_trimmed_of_a_log_that_is_young_or_empty(log: EventLog, topic: str) -> None:
    ends = await log.ends(topic)
    await log.trim(topic, utc_now() - timedelta(days=1), ends)
    await log.append(topic, records(20))
    await log.trim(topic, utc_now() - timedelta(days=1))
    assert len(values(await read_all(log, topic, 20))) == 20
