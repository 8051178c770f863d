"""Reading Kafka as one member of a group, from places that the caller keeps."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from domain.errors import LogUnavailable
from domain.tracing import HEADER, read_traceparent
from stores.eventlog.brokers import Brokers, Complaints
from stores.eventlog.kafka_walk import instant
from stores.eventlog.port import Batch, StartOffsets, Stored

_SESSION_MS: Final = 6_000
"""How long the broker waits for a sign of life before it gives a member's partitions to others."""
_HEARTBEAT_MS: Final = 1_000
_START_SECONDS: Final = 30.0
_FETCH_SECONDS: Final = 0.5
"""How long one fetch may hide that partitions have changed hands."""
_REBALANCE_SECONDS: Final = 30.0
_REQUEST_MS: Final = 10_000
"""Longer than a session, because joining a group waits for the members that have gone silent."""
_LOOK_MS: Final = 10_000
"""How long a topic that has more partitions, or was made anew, may go unnoticed."""
_STOP_SECONDS: Final = 12.0
_COMMIT_SECONDS: Final = 1.0
"""How often the place reached is told to the broker, for tools that show lag."""


class KafkaConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka's classes are untyped
    """Joins the group on the first `next_batches`, and anew after the broker was lost."""

    def __init__(self, brokers: Brokers, complaints: Complaints, topic: str, group: str, start: StartOffsets) -> None:
        self._brokers = brokers
        self._complaints = complaints
        self._topic = topic
        self._group = group
        self._start = start
        self._consumer: AIOKafkaConsumer | None = None
        self._unplaced: set[int] = set()
        self._placed: set[int] = set()
        self._assignments = 0
        self._finished: dict[TopicPartition, int] = {}
        self._commit_at = 0.0
        self._committing: asyncio.Task[None] | None = None

    @property
    def assigned(self) -> frozenset[int]:
        """The partitions given to this member whose starting place is known."""
        return frozenset(self._placed)

    async def next_batches(self, limit: int, wait: float) -> list[Batch]:
        """Fetch from all partitions of this member; see the port."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + wait
        while True:
            try:
                consumer = await self._joined()
                await self._place(consumer)
                remaining = max(deadline - clock(), 0.0)
                batches = await self._fetch(consumer, limit, min(remaining, _FETCH_SECONDS))
            except (KafkaError, ConsumerStoppedError, OSError, TimeoutError) as error:
                await self.leave()
                raise LogUnavailable from error
            if batches or not remaining:
                return batches

    async def done(self, batch: Batch) -> None:
        """Tell the broker now and then, in the background: nothing waits for it and nothing is built on it."""
        self._finished[TopicPartition(batch.topic, batch.partition)] = batch.next_offset
        now = asyncio.get_running_loop().time()
        if now >= self._commit_at and self._committing is None and self._consumer is not None:
            self._commit_at = now + _COMMIT_SECONDS
            self._committing = asyncio.create_task(self._commit(self._consumer))

    async def leave(self) -> None:
        """Tell the last places and leave the group, so that the others need not wait for this member's silence."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        if self._committing is not None:
            self._committing.cancel()
            await asyncio.wait([self._committing])
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await self._commit(consumer)
        except TimeoutError:
            pass
        self._forget()
        await _stop(consumer)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002 -- it is always all
        """Drop what was fetched ahead: from here on it is another member's."""
        self._forget()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Note that the places are to be asked for.

        They are asked for in `next_batches`, not here: aiokafka hands out records while this callback still waits.
        """
        self._forget()
        self._unplaced = {partition.partition for partition in assigned}

    def _forget(self) -> None:
        self._assignments += 1
        self._placed.clear()
        self._unplaced.clear()
        self._finished.clear()

    async def _joined(self) -> AIOKafkaConsumer:
        if self._consumer is not None:
            return self._consumer
        consumer = AIOKafkaConsumer(
            **self._brokers.options,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=_REQUEST_MS,
            session_timeout_ms=_SESSION_MS,
            heartbeat_interval_ms=_HEARTBEAT_MS,
            metadata_max_age_ms=_LOOK_MS,
        )
        consumer.subscribe([self._topic], listener=self)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await consumer.start()
        except BaseException as error:
            await _stop(consumer)
            if isinstance(error, Exception):
                await self._complaints.tell()
            raise
        self._consumer = consumer
        return consumer

    async def _place(self, consumer: AIOKafkaConsumer) -> None:
        while self._unplaced:
            assignment = self._assignments
            wanted = sorted(self._unplaced)
            starts = await self._start(wanted)
            if assignment != self._assignments:
                continue
            for partition in wanted:
                consumer.seek(TopicPartition(self._topic, partition), starts.get(partition, 0))
            self._placed.update(wanted)
            self._unplaced.clear()

    async def _fetch(self, consumer: AIOKafkaConsumer, limit: int, wait: float) -> list[Batch]:
        async with asyncio.timeout(wait + _REBALANCE_SECONDS):
            fetched = await consumer.getmany(timeout_ms=int(wait * 1000), max_records=limit)
        # After a change of hands, aiokafka reads from where the broker thinks that the group is, until told better.
        return [
            Batch(self._topic, place.partition, _stored(messages))
            for place, messages in fetched.items()
            if messages and place.partition in self._placed
        ]

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        finished, self._finished = self._finished, {}
        try:
            if finished:
                await consumer.commit(finished)
        except KafkaError:
            # The group has moved on or the broker is away; the places that count are with the caller.
            return
        finally:
            self._committing = None


def _stored(messages: Sequence[ConsumerRecord]) -> tuple[Stored, ...]:
    return tuple(
        Stored(
            message.partition,
            message.offset,
            message.key or b"",
            message.value or b"",
            instant(message.timestamp),
            next((read_traceparent(value) for name, value in message.headers if name == HEADER), None),
        )
        for message in messages
    )


async def _stop(consumer: AIOKafkaConsumer) -> None:
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await consumer.stop()
    except (KafkaError, TimeoutError):
        return
