"""What a batch holds for a builder: the events that can be read, and why other records cannot."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from domain.event import UNREADABLE, ProtectedEvent, decode_event
from stores.eventlog.port import Batch, Stored

Decoded = tuple[Stored, ProtectedEvent]


class Unbuilt(NamedTuple):
    """A record that cannot be built, and why."""

    record: Stored
    workspace: UUID | None
    """Whose it is, as far as it tells: who runs that workspace may look at it."""
    reason: str


class Part(msgspec.Struct, frozen=True):
    """Consecutive records of one partition, up to `next_offset`: those that can be read, and why others cannot."""

    partition: int
    decoded: Sequence[Decoded]
    unfit: Sequence[Unbuilt]
    next_offset: int

    def halves(self) -> "tuple[Part, Part]":
        """Cut it in the middle of what can be read."""
        middle = len(self.decoded) // 2
        boundary = self.decoded[middle][0].offset
        before = [each for each in self.unfit if each.record.offset < boundary]
        after = [each for each in self.unfit if each.record.offset >= boundary]
        return (
            Part(self.partition, self.decoded[:middle], before, boundary),
            Part(self.partition, self.decoded[middle:], after, self.next_offset),
        )

    def since(self, offset: int) -> "Part":
        """Leave out what has been built."""
        decoded = [each for each in self.decoded if each[0].offset >= offset]
        return Part(
            self.partition, decoded, [each for each in self.unfit if each.record.offset >= offset], self.next_offset
        )


def read_part(batch: Batch) -> Part:
    """Read a batch's records, but for those whose person was erased."""
    decoded: list[Decoded] = []
    unfit: list[Unbuilt] = []
    for record in batch.records:
        if not record.value:
            continue  # its person was erased
        try:
            decoded.append((record, decode_event(record.value)))
        except UNREADABLE as error:
            # What stands before the place quotes values; the place itself names fields only.
            place = str(error).rpartition(" - at ")[2] if " - at " in str(error) else "the whole record"
            unfit.append(Unbuilt(record, _workspace_of(record.value), f"not an event: {place}"))
    return Part(batch.partition, decoded, unfit, batch.next_offset)


class _Named(msgspec.Struct, frozen=True):
    workspace: UUID | None = None


_decode_named = msgspec.json.Decoder(_Named).decode


def _workspace_of(value: bytes) -> UUID | None:
    try:
        return _decode_named(value).workspace
    except UNREADABLE:
        return None
