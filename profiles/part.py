"""What a batch holds for a builder: the events that can be read, and why other records cannot."""

from collections.abc import Sequence

import msgspec

from domain.event import UNREADABLE, ProtectedEvent, decode_event
from stores.eventlog.port import Batch, Stored

Decoded = tuple[Stored, ProtectedEvent]


class Part(msgspec.Struct, frozen=True):
    """Consecutive records of one partition, up to `next_offset`: those that can be read, and why others cannot."""

    partition: int
    decoded: Sequence[Decoded]
    unfit: Sequence[tuple[Stored, str]]
    next_offset: int

    def halves(self) -> "tuple[Part, Part]":
        """Cut it in the middle of what can be read."""
        middle = len(self.decoded) // 2
        boundary = self.decoded[middle][0].offset
        before = [each for each in self.unfit if each[0].offset < boundary]
        after = [each for each in self.unfit if each[0].offset >= boundary]
        return (
            Part(self.partition, self.decoded[:middle], before, boundary),
            Part(self.partition, self.decoded[middle:], after, self.next_offset),
        )

    def since(self, offset: int) -> "Part":
        """Leave out what has been built."""
        decoded = [each for each in self.decoded if each[0].offset >= offset]
        return Part(
            self.partition, decoded, [each for each in self.unfit if each[0].offset >= offset], self.next_offset
        )


def read_part(batch: Batch) -> Part:
    """Read a batch's records, but for those whose person was erased."""
    decoded: list[Decoded] = []
    unfit: list[tuple[Stored, str]] = []
    for record in batch.records:
        if not record.value:
            continue  # its person was erased
        try:
            decoded.append((record, decode_event(record.value)))
        except UNREADABLE as error:
            # What stands before the place quotes values; the place itself names fields only.
            place = str(error).rpartition(" - at ")[2] if " - at " in str(error) else "the whole record"
            unfit.append((record, f"not an event: {place}"))
    return Part(batch.partition, decoded, unfit, batch.next_offset)
