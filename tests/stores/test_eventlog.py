"""The promises of the event log, kept by both of its implementations."""

import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from domain.clock import utc_now
from domain.errors import LogUnavailable, Refused
from domain.topics import EVENTS, SEGMENT_CHANGES
from scripts.kafka import Broker
from stores.eventlog.kafka import KafkaLog
from stores.eventlog.open import open_log
from stores.eventlog.port import LARGEST_RECORD, Batch, Consumer, EventLog, Record, TopicSpec, partition_of
from stores.eventlog.postgres import PostgresLog
from stores.postgres import Database

pytestmark = pytest.mark.services

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 5.0
Opener = Callable[[], Awaitable[EventLog]]


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
                log = KafkaLog(address, patience=PATIENCE)
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


def records(count: int, *, keys: int = 7, tag: str = "") -> list[Record]:
    return [Record(f"key-{number % keys}".encode(), f"{tag}{number}".encode()) for number in range(count)]


async def from_the_beginning(_partitions: Collection[int]) -> dict[int, int]:
    return {}


async def read(consumer: Consumer, count: int, *, limit: int = 500, seconds: float = 20.0) -> list[Batch]:
    """Read until `count` records have come."""
    batches: list[Batch] = []
    async with asyncio.timeout(seconds):
        while sum(len(batch.records) for batch in batches) < count:
            batch = await consumer.next_batch(limit, 1.0)
            if batch is not None:
                batches.append(batch)
                await consumer.done(batch)
    return batches


async def read_all(log: EventLog, topic: str, count: int) -> list[Batch]:
    async with log.consume(topic, uuid4().hex, from_the_beginning) as consumer:
        return await read(consumer, count)


def values(batches: list[Batch]) -> Counter[bytes]:
    return Counter(record.value for batch in batches for record in batch.records)


class Books:
    """What a builder keeps in one transaction: the place reached in each partition, and the effect of the records."""

    def __init__(self) -> None:
        self.places: dict[int, int] = {}
        self.applied: Counter[bytes] = Counter()

    async def start(self, partitions: Collection[int]) -> dict[int, int]:
        return {part: self.places[part] for part in partitions if part in self.places}

    def apply(self, batch: Batch) -> None:
        """Skip what is older than the place reached; fail on a gap."""
        place = self.places.get(batch.partition, 0)
        assert batch.records[0].offset <= place
        self.applied.update(record.value for record in batch.records if record.offset >= place)
        self.places[batch.partition] = max(place, batch.next_offset)

    async def keep(self, consumer: Consumer, count: int) -> None:
        """Apply what comes until `count` different values have, through whatever befalls the log."""
        async with asyncio.timeout(30):
            while len(self.applied) < count:
                try:
                    batch = await consumer.next_batch(50, 0.5)
                except LogUnavailable:
                    await asyncio.sleep(0.1)
                    continue
                if batch is not None:
                    self.apply(batch)
                    await consumer.done(batch)


async def test_what_is_appended_is_read_in_the_order_of_each_key(log: EventLog, topic: str) -> None:
    written = records(200)
    for begin in range(0, 200, 20):
        assert await log.append(topic, written[begin : begin + 20]) == [None] * 20

    seen = defaultdict(list)
    for batch in await read_all(log, topic, 200):
        for record in batch.records:
            seen[record.key].append(record.value)

    assert seen == {key: [record.value for record in written if record.key == key] for key in seen}
    assert sum(map(len, seen.values())) == 200


async def test_a_batch_is_of_one_partition_and_offsets_have_no_gap(log: EventLog, topic: str) -> None:
    before = datetime.now(UTC)
    await asyncio.gather(*(log.append(topic, records(20, keys=20, tag=f"{caller}-")) for caller in range(16)))

    batches = await read_all(log, topic, 320)

    offsets = defaultdict(list)
    for batch in batches:
        assert {record.partition for record in batch.records} == {batch.partition}
        assert batch.next_offset == batch.records[-1].offset + 1
        for record in batch.records:
            offsets[batch.partition].append(record.offset)
            assert partition_of(record.key, log.partitions) == record.partition
            assert abs(record.at - before) < timedelta(seconds=30)
    assert len(offsets) > 1
    assert all(numbers == list(range(len(numbers))) for numbers in offsets.values())
    assert await log.ends(topic) == {part: len(offsets[part]) for part in range(log.partitions)}


async def test_concurrent_writers_of_several_processes_lose_and_repeat_nothing(open_one: Opener, topic: str) -> None:
    logs = [await open_one() for _ in range(3)]

    results = await asyncio.gather(
        *(
            one.append(topic, records(5, tag=f"{number}-{turn}-"))
            for number, one in enumerate(logs)
            for turn in range(40)
        )
    )

    assert all(result == [None] * 5 for result in results)
    read_back = values(await read_all(logs[0], topic, 600))
    assert len(read_back) == 600
    assert set(read_back.values()) == {1}


async def test_reading_resumes_where_the_caller_says(log: EventLog, topic: str) -> None:
    await log.append(topic, records(100))
    places = {batch.partition: batch.next_offset - 2 for batch in await read_all(log, topic, 100)}
    asked: list[int] = []

    async def start(partitions: Collection[int]) -> dict[int, int]:
        asked.extend(partitions)
        return {part: place for part, place in places.items() if part in partitions}

    async with log.consume(topic, "resuming", start) as consumer:
        batches = await read(consumer, 2 * len(places))
        assert await consumer.next_batch(10, 0.2) is None

    assert {batch.partition: batch.records[0].offset for batch in batches} == places
    assert sorted(asked) == list(range(log.partitions))


async def test_a_limit_bounds_a_batch_and_every_partition_gets_its_turn(log: EventLog, topic: str) -> None:
    await log.append(topic, records(400, keys=1))
    busy = partition_of(b"key-0", log.partitions)
    other = next(key for key in map(str.encode, "abcdefgh") if partition_of(key, log.partitions) != busy)
    await log.append(topic, [Record(other, b"quiet")])

    async with log.consume(topic, "fair", from_the_beginning) as consumer:
        batches = await read(consumer, 401, limit=100)

    assert max(len(batch.records) for batch in batches) == 100
    assert {batch.partition for batch in batches} == {busy, partition_of(other, log.partitions)}


async def test_a_quiet_topic_answers_none_within_the_wait_and_wakes_for_news(log: EventLog, topic: str) -> None:
    async with log.consume(topic, "waiting", from_the_beginning) as consumer:
        assert await consumer.next_batch(10, 0.2) is None
        waiting = asyncio.create_task(consumer.next_batch(10, 10.0))
        assert await log.append(topic, [Record(b"k", b"news")]) == [None]
        batch = await waiting

    assert batch is not None
    assert [record.value for record in batch.records] == [b"news"]


async def test_each_record_has_a_result_of_its_own(log: EventLog, topic: str) -> None:
    largest = LARGEST_RECORD - len(b"k")
    results = await log.append(
        topic,
        [
            Record(b"k", b"small"),
            Record(b"k", b"x" * (largest + 1)),
            Record(b"k", b"x" * largest),
            Record(b"k", b"last"),
        ],
    )

    assert isinstance(results[1], Refused)
    assert results[1].code == "event_too_large"
    assert [results[0], *results[2:]] == [None] * 3
    kept = [len(record.value) for batch in await read_all(log, topic, 3) for record in batch.records]
    assert kept == [len(b"small"), largest, len(b"last")]


async def test_nothing_to_append_is_nothing_to_report(log: EventLog, topic: str) -> None:
    assert await log.append(topic, []) == []


async def test_a_topic_that_does_not_exist_is_an_unavailable_log(log: EventLog) -> None:
    results = await log.append("test.missing", records(2))

    assert [type(result) for result in results] == [LogUnavailable] * 2


async def test_a_topic_is_made_once_and_keeps_its_records(log: EventLog, topic: str) -> None:
    await log.append(topic, records(3))
    await log.ensure_topics({topic: TopicSpec(), f"{topic}.compacted": TopicSpec(compacted=True)})

    assert sum((await log.ends(topic)).values()) == 3
    assert set(await log.ends(f"{topic}.compacted")) == set(range(log.partitions))


async def test_an_open_log_is_healthy(log: EventLog) -> None:
    assert await log.healthy()


async def test_two_members_share_and_the_other_takes_over(open_one: Opener, topic: str) -> None:
    log, other = await open_one(), await open_one()
    books = Books()
    async with log.consume(topic, "shared", books.start) as stays:
        async with other.consume(topic, "shared", books.start) as leaves:
            await _poll_until(lambda: len(stays.assigned) == len(leaves.assigned) == 2, stays, leaves)
            assert not stays.assigned & leaves.assigned
            await log.append(topic, records(100))
            await asyncio.gather(books.keep(stays, 100), books.keep(leaves, 100))
        await _poll_until(lambda: len(stays.assigned) == 4, stays)
        await log.append(topic, records(100, tag="later-"))
        await books.keep(stays, 200)

    assert set(books.applied.values()) == {1}


async def test_a_member_killed_leaves_its_partitions_to_the_others(
    log: EventLog, topic: str, store: tuple[str, str]
) -> None:
    books = Books()
    async with log.consume(topic, "bereft", books.start) as stays:
        member = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.stores.eventlog_member", *store, topic, "bereft",
            stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        try:
            assert member.stdout is not None
            await _poll_until(lambda: len(stays.assigned) == 4, stays)
            joined = asyncio.create_task(member.stdout.readline())
            await _poll_until(lambda: joined.done() and len(stays.assigned) == 2, stays)
            theirs = {int(number) for number in joined.result().split()}
            assert theirs == set(range(4)) - stays.assigned
        finally:
            member.kill()
            await member.wait()
        began = time.monotonic()
        await log.append(topic, records(100))
        await books.keep(stays, 100)
        took = time.monotonic() - began

    assert set(books.applied.values()) == {1}
    assert took < (3 if store[0] == "postgres" else 15)


async def _poll_until(condition: Callable[[], bool], *consumers: Consumer) -> None:
    """Let the consumers work, on an empty log, until they have agreed."""
    async with asyncio.timeout(20):
        while not condition():
            assert await asyncio.gather(*(consumer.next_batch(1, 0.1) for consumer in consumers)) == [None] * len(
                consumers
            )


async def _append_until(log: EventLog, topic: str, stop: asyncio.Event, tag: str) -> tuple[set[bytes], set[bytes]]:
    """Append without pause; return the values that were acknowledged and those that were tried."""
    kept: set[bytes] = set()
    tried: set[bytes] = set()
    turn = 0
    while not stop.is_set():
        batch = records(5, tag=f"{tag}-{turn}-")
        turn += 1
        tried.update(record.value for record in batch)
        results = await log.append(topic, batch)
        kept.update(record.value for record, result in zip(batch, results, strict=True) if result is None)
        if any(results):
            await asyncio.sleep(0.05)  # a store that refuses at once must not be asked thousands of times
    return kept, tried


async def _under_fault(log: EventLog, topic: str, fault: Callable[[], Awaitable[None]]) -> None:
    """Append from several callers while the store fails: what was acknowledged must be there exactly once."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(_append_until(log, topic, stop, str(caller))) for caller in range(8)]
        await fault()
        stop.set()
    kept: set[bytes] = set().union(*(caller.result()[0] for caller in callers))
    tried: set[bytes] = set().union(*(caller.result()[1] for caller in callers))
    await _append_again(log, topic, [Record(b"k", b"after")])

    present = values(await read_all(log, topic, sum((await log.ends(topic)).values())))

    assert kept
    assert kept <= present.keys()
    assert {value for value in kept if present[value] != 1} == set()
    assert present.keys() - {b"after"} <= tried


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

    await _under_fault(log, topic, fault)


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
        await _append_again(log, topic, records(10, tag="later-"))
        await books.keep(consumer, 20)


@pytest.mark.parametrize("store", ["kafka"], indirect=True)
async def test_a_frozen_broker_is_told_within_the_patience_and_repeats_nothing(
    log: EventLog, topic: str, kafka_broker: Broker
) -> None:
    assert await log.append(topic, [Record(b"k", b"before")]) == [None]
    kafka_broker.pause()
    try:
        async with asyncio.timeout(PATIENCE + 1):
            results = await log.append(topic, [Record(b"k", b"during")])
    finally:
        kafka_broker.resume()
    assert [type(result) for result in results] == [LogUnavailable]
    await _append_again(log, topic, [Record(b"k", b"after")])

    seen = values(await read_all(log, topic, sum((await log.ends(topic)).values())))
    assert seen[b"before"] == 1
    assert seen[b"during"] <= 1
    assert seen[b"after"] >= 1


@pytest.mark.parametrize("store", ["kafka"], indirect=True)
async def test_a_broker_that_is_away_is_told_within_the_patience(
    open_one: Opener, kafka_broker: Broker, topic: str
) -> None:
    kafka_broker.kill()
    log = await open_one()

    async with asyncio.timeout(PATIENCE + 5):
        results = await log.append(topic, records(3))

    assert [type(result) for result in results] == [LogUnavailable] * 3
    assert not await log.healthy()


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_connections_killed_in_the_middle_keep_each_acknowledged_record_once(
    log: EventLog, topic: str, database_url: str
) -> None:
    async def fault() -> None:
        for _ in range(10):
            await asyncio.sleep(0.1)
            await _disconnect_all(database_url)

    await _under_fault(log, topic, fault)


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_a_hung_transaction_is_told_within_the_patience(log: EventLog, topic: str, database_url: str) -> None:
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            await other.execute("SELECT FROM log_partition WHERE topic = $1 FOR UPDATE", topic)
            async with asyncio.timeout(PATIENCE + 1):
                results = await log.append(topic, records(3, tag="hung-"))
        assert [type(result) for result in results] == [LogUnavailable] * 3
    finally:
        await other.close()

    await _append_again(log, topic, [Record(b"k", b"after")])
    assert values(await read_all(log, topic, 1)) == {b"after": 1}


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


async def test_topics_not_made_for_want_of_a_broker_are_made_once_it_is_there(
    database_url: str, kafka_bootstrap: str, kafka_broker: Broker
) -> None:
    database = await Database.open(database_url, role="app")
    kafka_broker.kill()
    log = await open_log(kafka_bootstrap, database)
    try:
        assert any(await log.append(EVENTS, records(1)))
        await asyncio.to_thread(kafka_broker.start)
        await _append_again(log, EVENTS, records(1))
        assert set(await log.ends(SEGMENT_CHANGES)) == set(range(log.partitions))
    finally:
        await log.close()
        await database.close()


async def test_without_a_broker_the_log_is_in_the_database(database_url: str) -> None:
    database = await Database.open(database_url, role="app")
    log = await open_log(None, database)
    try:
        assert await log.append(EVENTS, records(3)) == [None] * 3
    finally:
        await log.close()
        await database.close()


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_a_consumer_that_lost_its_connection_says_so_and_comes_back(
    log: EventLog, topic: str, database_url: str
) -> None:
    async with log.consume(topic, "returning", from_the_beginning) as consumer:
        assert await consumer.next_batch(10, 0.1) is None
        waiting = asyncio.create_task(consumer.next_batch(10, 30.0))
        await asyncio.sleep(0)
        await _disconnect_all(database_url)
        with pytest.raises(LogUnavailable):
            await waiting
        await _append_again(log, topic, [Record(b"k", b"v")])
        assert values(await read(consumer, 1)) == {b"v": 1}


async def test_each_log_has_its_own_name_for_a_topic(database_url: str, kafka_bootstrap: str) -> None:
    database = await Database.open(database_url, role="worker")
    logs: list[EventLog] = [PostgresLog(database), KafkaLog(kafka_bootstrap)]
    try:
        sources = [await log.source(EVENTS) for log in logs]
        assert len(set(sources)) == len(logs)
        assert sources == [await log.source(EVENTS) for log in logs]
    finally:
        for log in logs:
            await log.close()
        await database.close()


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_trimming_removes_the_old_and_readers_go_on_behind_it(
    log: EventLog, topic: str, database_url: str
) -> None:
    await log.append(topic, records(50, tag="old-"))
    await _execute(database_url, "UPDATE log_record SET at = at - interval '2 days'")
    await log.append(topic, records(50, tag="new-"))

    yesterday = utc_now() - timedelta(days=1)
    await log.trim(topic, yesterday, dict.fromkeys(await log.ends(topic), 0))
    assert len(values(await read_all(log, topic, 100))) == 100, "nobody has read them yet"

    await log.trim(topic, yesterday)
    assert all(value.startswith(b"new-") for value in values(await read_all(log, topic, 50)))

    await log.trim(topic, utc_now() + timedelta(seconds=1), await log.ends(topic))
    await log.append(topic, [Record(b"k", b"newest")])
    assert values(await read_all(log, topic, 1)) == {b"newest": 1}


@pytest.mark.parametrize("members", [1, 2, 3, 5])
async def test_members_differ_by_one_partition_at_most(database_url: str, members: int) -> None:
    async with AsyncExitStack() as stack:
        database = await Database.open(database_url, role="worker")
        stack.push_async_callback(database.close)
        log = PostgresLog(database)
        stack.push_async_callback(log.close)
        await log.ensure_topics({"shared": TopicSpec()})
        consumers = [
            await stack.enter_async_context(log.consume("shared", "group", from_the_beginning)) for _ in range(members)
        ]
        even = sorted(4 // members + (rank < 4 % members) for rank in range(members))

        await _poll_until(lambda: sorted(len(one.assigned) for one in consumers) == even, *consumers)

    assert sum(even) == 4


async def _append_again(log: EventLog, topic: str, wanted: list[Record]) -> None:
    """Append until it is acknowledged, as a client would that was told to retry."""
    async with asyncio.timeout(20):
        while any(await log.append(topic, wanted)):
            await asyncio.sleep(0.1)


async def _disconnect_all(url: str) -> None:
    await _execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


async def _execute(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.execute(statement)
    finally:
        await connection.close()
