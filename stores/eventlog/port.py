"""The event log as the rest of Tagway knows it: topics cut into partitions, appended to and read in order.

There are two of them, on Postgres and on Kafka, held to the same promises by one contract suite.
"""

import zlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec

from domain.errors import TagwayError

LARGEST_RECORD: Final = 1_000_000
"""Bytes of key and value together: what a Kafka broker takes by default, less its own framing."""

StartOffsets = Callable[[Collection[int]], Awaitable[dict[int, int]]]
"""Asked on each assignment for the offset to read next in each partition; one left out is read from its beginning."""


class TopicSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How a topic is kept: everything, or for a time, or only the newest record of each key, or both of these."""

    keep: timedelta | None = None
    compacted: bool = False


class Record(msgspec.Struct, frozen=True):
    """What is appended. Records with the same key stay in the order in which they were appended.

    An empty value says that nothing is to be kept under the key any more.
    """

    key: bytes
    value: bytes
    traceparent: str | None = None
    """Where it is in a trace; in Kafka a header of this name."""


class Stored(msgspec.Struct, frozen=True):
    """What is read. `at` is when the log took it, UTC. Of a record that was forgotten the value is empty."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    at: datetime
    traceparent: str | None = None


class Batch(msgspec.Struct, frozen=True):
    """Consecutive records of one partition, at least one."""

    topic: str
    partition: int
    records: tuple[Stored, ...]

    @property
    def next_offset(self) -> int:
        """The offset to continue at once these records have had their effect."""
        return self.records[-1].offset + 1


class Consumer(Protocol):
    """One member of a group. The group's members share the partitions of a topic, and take over from one that dies."""

    @property
    def assigned(self) -> frozenset[int]:
        """The partitions that this member reads now."""
        ...

    async def next_batches(self, limit: int, wait: float) -> list[Batch]:
        """Return what there is, at most one batch of each partition and `limit` records in all.

        Nothing when `wait` seconds brought none. No partition with records is passed over for long. A partition that
        moves to another member may be read by both for a moment: whoever applies a batch must lock its offset row and
        skip what is older.
        Raises LogUnavailable; the next call tries anew, and asks again where to start.
        """
        ...

    async def done(self, batch: Batch) -> None:
        """Tell that the batch has had its effect. Only tools that show lag rely on it, so it may be lost."""
        ...


class EventLog(Protocol):
    """Appends and reads. Closing it is the duty of whoever opened it."""

    partitions: int
    """Into how many partitions a new topic is cut."""

    async def append(self, topic: str, records: Sequence[Record]) -> list[TagwayError | None]:
        """Keep the records and return, for each, None once it is durable or why it was not acknowledged.

        LogUnavailable means that the record may or may not be in the log; Refused, that it never will be.
        Concurrent callers share writes. Returns within the log's patience, and never raises for a record's sake.
        """
        ...

    async def ensure_topics(self, topics: Mapping[str, TopicSpec]) -> None:
        """Create the topics that do not exist. Raises LogUnavailable."""
        ...

    def consume(self, topic: str, group: str, start: StartOffsets) -> AbstractAsyncContextManager[Consumer]:
        """Join the group for as long as the context lasts."""
        ...

    async def source(self, topic: str) -> str:
        """Name this topic of this log as no other log names its own: what is kept about offsets goes by it.

        Offsets of one log mean nothing in another, and an installation may change its log. Raises LogUnavailable.
        """
        ...

    async def ends(self, topic: str) -> dict[int, int]:
        """Return, for each partition, the offset that its next record will get. Raises LogUnavailable."""
        ...

    async def first_taken(self, topic: str, places: Mapping[int, int]) -> datetime | None:
        """Tell when the log took the first records at or after these offsets, one of each partition: the earliest.

        None where there are none. Raises LogUnavailable.
        """
        ...

    async def trim(self, topic: str, before: datetime, passed: Mapping[int, int] | None = None) -> None:
        """Remove records that the log took before an instant, where the log does not do so by itself.

        Of the partitions in `passed` only records before these offsets go, whatever their age. Raises LogUnavailable.
        """
        ...

    async def forget(self, topic: str, keys: Collection[bytes]) -> int:
        """Take what lies under these keys out of a topic, as far as this log can; return how many records were emptied.

        Postgres empties the records in place, so that offsets stay. Kafka appends a record without value for each key,
        by which a compacted topic drops all older ones; in another topic nothing can be taken out before its time.
        Raises LogUnavailable.
        """
        ...

    async def healthy(self) -> bool:
        """Tell within two seconds whether the log answers."""
        ...

    async def close(self) -> None:
        """Finish what is under way and let go of the connections."""
        ...


def partition_of(key: bytes, partitions: int) -> int:
    """Place a key: CRC-32 modulo the count, on both logs.

    Not Kafka's murmur2, which takes a hundred times as long in Python; only Tagway appends to its topics.
    """
    return zlib.crc32(key) % partitions
