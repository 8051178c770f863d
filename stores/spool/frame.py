"""Frames, of which a file of the spool is made, and how they are found again behind damage.

A frame is `marker (4 bytes) | kind (1) | place (4) | length of the payload (4) | CRC-32 of all this and the payload (4)
| payload`, numbers in network order. No byte stands outside of the check. Behind something that does not pass it, the
next marker is looked for whose frame does: damage costs the frames that it touches.
"""

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

_MARKER: Final = b"\xabTG\x02"
_HEAD: Final = struct.Struct(">4sBII")
_CHECK: Final = struct.Struct(">I")
_BEFORE_PAYLOAD: Final = _HEAD.size + _CHECK.size


class Kind(IntEnum):
    """What a frame holds."""

    KEY = 1
    """The wrapped key of the file. Its place says how many parcels lie before it."""
    PARCEL = 2
    """A sealed request. Its place says how many parcels lie before it."""


class Frame(NamedTuple):
    """A frame that passed its check, and where in the file it lies."""

    kind: int
    place: int
    payload: bytes
    start: int
    end: int


def pack(kind: Kind, place: int, payload: bytes) -> bytes:
    """Make a frame."""
    head = _HEAD.pack(_MARKER, kind, place, len(payload))
    return head + _CHECK.pack(zlib.crc32(payload, zlib.crc32(head))) + payload


def scan(data: bytes) -> Iterator[Frame]:
    """Find all whole frames, in their order."""
    start = 0
    while start >= 0:
        frame = _frame_at(data, start)
        if frame is None:
            start = data.find(_MARKER, start + 1)
        else:
            yield frame
            start = frame.end


def count_parcels(data: bytes, start: int) -> int:
    """Count the parcels that seem to have begun behind a place where no frame is whole."""
    return data.count(_MARKER + bytes([Kind.PARCEL]), start)


def _frame_at(data: bytes, start: int) -> Frame | None:
    begin = start + _BEFORE_PAYLOAD
    if len(data) < begin:
        return None
    marker, kind, place, length = _HEAD.unpack_from(data, start)
    if marker != _MARKER or not length or len(data) - begin < length:
        return None
    payload = data[begin : begin + length]
    check = zlib.crc32(payload, zlib.crc32(data[start : start + _HEAD.size]))
    if _CHECK.unpack_from(data, start + _HEAD.size) != (check,):
        return None
    return Frame(kind, place, payload, start, begin + length)
