"""The event log in Kafka: for many gateways and builders, and for readers outside Tagway."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from domain.errors import LogUnavailable, Refused, TagwayError
from domain.tracing import HEADER
from stores.eventlog.brokers import Brokers, Complaints
from stores.eventlog.kafka_consumer import KafkaConsumer
from stores.eventlog.kafka_producer import Producers
from stores.eventlog.kafka_walk import first_taken
from stores.eventlog.port import LARGEST_RECORD, Consumer, Record, StartOffsets, TopicSpec, partition_of

_FOR_EVER_MS: Final = -1
_BROKERS_CHOICE: Final = -1
_SETTLED: Final = (
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    ClusterAuthorizationFailedError,
)
"""Asking again would change nothing; where operators make the topics, they are there."""
_CLEANED_WITHIN: Final = timedelta(days=1)
"""How long a compacted topic may keep what a newer record, or one without value, has taken the place of."""
_HEALTH_SECONDS: Final = 2.0


class KafkaLog:
    """The log in one Kafka cluster. `patience` is how many seconds an append may take."""

    def __init__(self, brokers: Brokers, *, partitions: int = 4, patience: float = 10.0) -> None:
        self.partitions = partitions
        self._brokers = brokers
        self._complaints = Complaints(brokers)
        self._patience = patience
        self._producers = Producers(brokers, self._complaints, patience)
        self._missing: dict[str, TopicSpec] = {}
        self._compacted: set[str] = set()

    async def append(self, topic: str, records: Sequence[Record]) -> list[TagwayError | None]:
        """Append through the idempotent producer, which joins concurrent callers' records in batches; see the port."""
        results: list[TagwayError | None] = [LogUnavailable() for _ in records]
        try:
            async with asyncio.timeout(self._patience):
                if self._missing:
                    await self.ensure_topics(self._missing)
                producer = await self._producers.current()
                await self._send(producer, topic, records, results)
        except (TimeoutError, LogUnavailable):
            pass
        except KafkaError:
            self._producers.retire(producer)
        # A copy, because a late acknowledgement must not change what the caller has been told.
        return list(results)

    async def ensure_topics(self, topics: Mapping[str, TopicSpec]) -> None:
        """Create missing topics, with as many copies as the brokers give by default.

        Those that the brokers are not there to create are tried again before the next append.
        """
        self._missing = {**self._missing, **topics}
        self._compacted |= {name for name, spec in topics.items() if spec.compacted}
        wanted = [
            NewTopic(name, self.partitions, _BROKERS_CHOICE, {}, _settings(spec))
            for name, spec in sorted(topics.items())
        ]
        admin = AIOKafkaAdminClient(**self._brokers.options)
        try:
            async with asyncio.timeout(self._patience):
                await admin.start()
                answer = await admin.create_topics(wanted)
        except (KafkaError, TimeoutError, OSError) as error:
            raise LogUnavailable(await self._brokers.why()) from error
        finally:
            await admin.close()
        outcomes = {name: for_code(code) for name, code, *_ in answer.topic_errors}
        for name, outcome in outcomes.items():
            if outcome in _SETTLED:
                self._missing.pop(name, None)
        refused = sorted(
            name for name, outcome in outcomes.items() if outcome not in (NoError, TopicAlreadyExistsError)
        )
        if refused:
            raise LogUnavailable(f"The brokers did not create {', '.join(refused)}.")

    @asynccontextmanager
    async def consume(self, topic: str, group: str, start: StartOffsets) -> AsyncIterator[Consumer]:
        """Join the group, and leave it at the end."""
        consumer = KafkaConsumer(self._brokers, self._complaints, topic, group, start)
        try:
            yield consumer
        finally:
            await consumer.leave()

    async def source(self, topic: str) -> str:
        """Name the topic with the cluster's id, which a cluster made anew does not share."""
        admin = AIOKafkaAdminClient(**self._brokers.options)
        try:
            async with asyncio.timeout(self._patience):
                await admin.start()
                cluster = (await admin.describe_cluster())["cluster_id"]
        except (KafkaError, TimeoutError, OSError) as error:
            raise LogUnavailable(await self._brokers.why()) from error
        finally:
            await admin.close()
        return f"{topic}@{cluster}"

    async def ends(self, topic: str) -> dict[int, int]:
        """Return the next offset of each partition."""
        producer = await self._producers.current()
        reader = AIOKafkaConsumer(**self._brokers.options)
        try:
            async with asyncio.timeout(self._patience):
                await reader.start()
                partitions = await producer.partitions_for(topic)
                ends = await reader.end_offsets([TopicPartition(topic, partition) for partition in partitions])
        except (KafkaError, TimeoutError, OSError) as error:
            raise LogUnavailable(await self._brokers.why()) from error
        finally:
            await reader.stop()
        return {place.partition: offset for place, offset in ends.items()}

    async def first_taken(self, topic: str, places: Mapping[int, int]) -> datetime | None:
        """Fetch one record of each partition."""
        wanted = {TopicPartition(topic, partition): offset for partition, offset in places.items()}
        return await first_taken(self._brokers, wanted, self._patience)

    async def trim(self, topic: str, before: datetime, passed: Mapping[int, int] | None = None) -> None:
        """Do nothing: the brokers remove what is older than the topic's own retention."""

    async def forget(self, topic: str, keys: Collection[bytes]) -> int:
        """Append a record without value for each key, if the topic is compacted; the brokers' cleaner does the rest."""
        if topic not in self._compacted:
            return 0
        for failure in await self.append(topic, [Record(key, b"") for key in keys]):
            if failure is not None:
                raise LogUnavailable from failure
        return 0

    async def healthy(self) -> bool:
        """Ask the cluster for its metadata."""
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                producer = await self._producers.current()
                await producer.client.fetch_all_metadata()
        except (KafkaError, LogUnavailable, TimeoutError, OSError):
            return False
        return True

    async def close(self) -> None:
        """Send what waits and let go of the brokers."""
        await self._producers.close()

    async def _send(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        records: Sequence[Record],
        results: list[TagwayError | None],
    ) -> None:
        """Fill in the results as they come, so that a time-out in the middle leaves those known."""
        count = len(await producer.partitions_for(topic))
        sent: dict[asyncio.Future[Any], int] = {}

        def settle(future: asyncio.Future[Any]) -> None:
            if not future.cancelled() and future.exception() is None:
                results[sent[future]] = None

        for index, record in enumerate(records):
            if len(record.key) + len(record.value) > LARGEST_RECORD:
                results[index] = Refused("A record may hold at most 1 MB.", code="event_too_large")
                continue
            partition = partition_of(record.key, count)
            future = await producer.send(
                topic, record.value or None, key=record.key, partition=partition, headers=_headers(record)
            )
            sent[future] = index
            future.add_done_callback(settle)
        if sent:
            await asyncio.wait(sent)
        if any(future.exception() for future in sent):
            self._producers.retire(producer)


def _headers(record: Record) -> list[tuple[str, bytes]] | None:
    return None if record.traceparent is None else [(HEADER, record.traceparent.encode())]


def _settings(spec: TopicSpec) -> dict[str, str]:
    kept = _FOR_EVER_MS if spec.keep is None else spec.keep // timedelta(milliseconds=1)
    retention = {"retention.ms": str(kept)}
    if not spec.compacted:
        return {"cleanup.policy": "delete", **retention}
    # The brokers leave the newest segment alone: only a bound on the lag makes them begin another, and clean this one.
    compaction = {"max.compaction.lag.ms": str(_CLEANED_WITHIN // timedelta(milliseconds=1))}
    if spec.keep is None:
        return {"cleanup.policy": "compact", **compaction}
    return {"cleanup.policy": "compact,delete", **retention, **compaction}
