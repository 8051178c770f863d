"""The promises of the event log, kept by both of its implementations."""

import asyncio
from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from domain.errors import LogUnavailable, Refused
from stores.eventlog.port import LARGEST_RECORD, EventLog, Record, TopicSpec, partition_of
from stores.eventlog.postgres import PostgresLog
from tests.stores.eventlog.books import (
    Opener,
    from_the_beginning,
    read,
    read_all,
    records,
    values,
)

pytestmark = pytest.mark.services


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
        assert await consumer.next_batches(10, 0.2) == []

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
        assert await consumer.next_batches(10, 0.2) == []
        waiting = asyncio.create_task(consumer.next_batches(10, 10.0))
        assert await log.append(topic, [Record(b"k", b"news")]) == [None]
        [batch] = await waiting

    assert [record.value for record in batch.records] == [b"news"]


async def test_a_record_keeps_its_place_in_a_trace(log: EventLog, topic: str) -> None:
    place = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await log.append(topic, [Record(b"k", b"traced", place), Record(b"k", b"not")])

    records = [record for batch in await read_all(log, topic, 2) for record in batch.records]
    assert {record.value: record.traceparent for record in records} == {b"traced": place, b"not": None}


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


async def test_when_the_oldest_of_what_is_ahead_was_taken_is_known(log: EventLog, topic: str) -> None:
    ends = await log.ends(topic)
    assert await log.first_taken(topic, ends) is None
    assert await log.first_taken(topic, {}) is None
    for _ in range(2):
        assert await log.append(topic, records(20)) == [None] * 20
    taken = [record for batch in await read_all(log, topic, 40) for record in batch.records]
    assert await log.first_taken(topic, ends) == min(record.at for record in taken)
    last = max(taken, key=lambda record: record.offset)
    assert await log.first_taken(topic, {last.partition: last.offset}) == last.at
    assert await log.first_taken(topic, {last.partition: last.offset + 1}) is None


async def test_an_open_log_is_healthy(log: EventLog) -> None:
    assert await log.healthy()


async def test_a_compacted_topic_is_told_that_a_key_is_over(log: EventLog) -> None:
    """On Postgres the records themselves are emptied; on Kafka one without value comes last, for the cleaner."""
    name = f"test.{uuid4().hex}"
    await log.ensure_topics({name: TopicSpec(compacted=True)})
    await log.append(name, [Record(b"ann", b"1"), Record(b"bob", b"2"), Record(b"ann", b"3")])
    ends = sum((await log.ends(name)).values())
    await log.forget(name, [b"ann"])
    added = sum((await log.ends(name)).values()) - ends
    async with log.consume(name, "group", from_the_beginning) as consumer:
        stored = [record for batch in await read(consumer, ends + added) for record in batch.records]
    by_key = {record.key: record.value for record in stored}
    assert by_key[b"bob"] == b"2"
    assert by_key.get(b"ann", b"") == b""


async def test_what_is_forgotten_keeps_its_offset(log: EventLog, topic: str) -> None:
    await log.append(topic, [Record(b"ann", b"1"), Record(b"bob", b"2")])
    ends = await log.ends(topic)
    emptied = await log.forget(topic, [b"ann", b"nobody"])
    assert await log.ends(topic) == ends
    async with log.consume(topic, "group", from_the_beginning) as consumer:
        stored = [record for batch in await read(consumer, 2) for record in batch.records]
    assert sorted(record.value for record in stored) == ([b"", b"2"] if isinstance(log, PostgresLog) else [b"1", b"2"])
    assert emptied == isinstance(log, PostgresLog)
    assert await log.forget(topic, [b"ann"]) == 0
