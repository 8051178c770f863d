"""The least that any such product does between a POST and a subscriber: a durable log, a reader, a Redis message."""

import asyncio
import time
from typing import Final
from uuid import uuid4

import msgspec

from bench.house import House, open_database
from stores.broadcast import Broadcast, Message
from stores.eventlog.open import open_log
from stores.eventlog.port import Consumer, EventLog, Record, TopicSpec
from stores.pubsub import publish
from stores.redis import Redis, open_redis

SECONDS: Final = 3
TOPIC: Final = "bench.hop"
CHANNEL: Final = "bench:hop"


async def hop(house: House, a_second: int, batch: int) -> list[float]:
    """Send batches of records of 1 KB through all three; return milliseconds from due to heard, per batch."""
    redis = await open_redis(house.settings.redis_url or "")
    async with open_database(house) as database:
        log = await open_log(None, database)
        await log.ensure_topics({TOPIC: TopicSpec()})
        broadcast = Broadcast(redis)
        await broadcast.join(CHANNEL)
        ends = await log.ends(TOPIC)

        async def start(_partitions: object) -> dict[int, int]:
            return ends

        async with log.consume(TOPIC, uuid4().hex, start) as consumer:
            await consumer.next_batches(1, 0.5)  # to be a member before the clock runs
            async with asyncio.TaskGroup() as parts:
                reading = parts.create_task(_pass_on(consumer, redis))
                parts.create_task(_write(log, a_second, batch))
                waits = await _hear(broadcast, a_second * SECONDS)
                reading.cancel()
        await broadcast.close()
        await log.close()
    await redis.aclose()
    return waits


async def _write(log: EventLog, a_second: int, batch: int) -> None:
    appending, started = [], time.perf_counter()
    for number in range(a_second * SECONDS):
        due = started + number / a_second
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        values = [msgspec.json.encode([due, "x" * 1000]) for _ in range(batch)]
        records = [Record(uuid4().bytes, value) for value in values]
        appending.append(asyncio.create_task(log.append(TOPIC, records)))
    assert not any(failure for failures in await asyncio.gather(*appending) for failure in failures)


async def _pass_on(consumer: Consumer, redis: Redis) -> None:
    while True:
        batches = await consumer.next_batches(500, 0.5)
        if batches:
            due = [msgspec.json.decode(record.value)[0] for batch in batches for record in batch.records]
            await publish(redis, CHANNEL, msgspec.json.encode(due))


async def _hear(broadcast: Broadcast, batches: int) -> list[float]:
    """Count a batch as heard with the first of its records."""
    heard: dict[float, float] = {}
    async with asyncio.timeout(60):
        while len(heard) < batches:
            message = await broadcast.receive(1.0)
            if isinstance(message, Message):
                for due in msgspec.json.decode(message.body):
                    heard.setdefault(due, time.perf_counter())
    return [(at - due) * 1e3 for due, at in heard.items()]
