"""Reading a topic of Kafka once, as no member of any group."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from domain.errors import LogUnavailable
from stores.eventlog.brokers import Brokers

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FETCH_MS: Final = 500
_AT_ONCE: Final = 500
_STOP_SECONDS: Final = 5.0


async def walk(brokers: Brokers, topic: str, patience: float = 10.0) -> AsyncIterator[bytes]:
    """Walk the values of a topic, each partition in its order, up to where it ends now; a topic not there has none.

    Raises `LogUnavailable` when the brokers are silent for `patience` seconds.
    """
    async with _reading(brokers, patience) as reader:
        async with asyncio.timeout(patience):
            places = await _places(brokers, topic)
            reader.assign(places)
            ends = await reader.end_offsets(places) if places else {}
            waiting = await _behind(reader, ends)
        while waiting:
            async with asyncio.timeout(patience):
                values: list[bytes] = []
                while waiting and not values:
                    values = await _fetch(reader, waiting)
                    waiting = await _behind(reader, ends)
            for value in values:
                yield value


async def first_taken(
    brokers: Brokers, wanted: Mapping[TopicPartition, int], patience: float = 10.0
) -> datetime | None:
    """Tell when the first records at or after some offsets were taken, one of each partition: the earliest.

    None where there are none. Raises like `walk`.
    """
    if not wanted:
        return None
    taken: list[int] = []
    async with _reading(brokers, patience) as reader, asyncio.timeout(patience):
        reader.assign(list(wanted))
        begins, ends = await reader.beginning_offsets(list(wanted)), await reader.end_offsets(list(wanted))
        for place, offset in wanted.items():
            reader.seek(place, max(offset, begins[place]))
            found: list[ConsumerRecord] = []
            while not found and await reader.position(place) < ends[place]:
                fetched = await reader.getmany(place, timeout_ms=_FETCH_MS, max_records=1)
                found = fetched.get(place, [])
            taken += [message.timestamp for message in found]
    return instant(min(taken)) if taken else None


def instant(milliseconds: int) -> datetime:
    """Tell when a record was taken. A stranger may name any time before now, also one that no calendar holds."""
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return _EPOCH


@asynccontextmanager
async def _reading(brokers: Brokers, patience: float) -> AsyncIterator[AIOKafkaConsumer]:
    reader = AIOKafkaConsumer(**brokers.options, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        async with asyncio.timeout(patience):
            await reader.start()
        yield reader
    except (KafkaError, TimeoutError, OSError) as error:
        raise LogUnavailable(await brokers.why()) from error
    finally:
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await reader.stop()


async def _places(brokers: Brokers, topic: str) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(**brokers.options)
    try:
        await admin.start()
        if topic not in await admin.list_topics():
            return []
        (found,) = await admin.describe_topics([topic])
    finally:
        await admin.close()
    return [TopicPartition(topic, part["partition"]) for part in found["partitions"]]


async def _behind(reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> list[TopicPartition]:
    return [place for place, end in ends.items() if await reader.position(place) < end]


async def _fetch(reader: AIOKafkaConsumer, places: Collection[TopicPartition]) -> list[bytes]:
    fetched = await reader.getmany(*places, timeout_ms=_FETCH_MS, max_records=_AT_ONCE)
    return [message.value for messages in fetched.values() for message in messages if message.value]
