"""A chunk of the spool, which is one file: a header with the wrapped key, then records that are only ever added.

The header is `magic (5 bytes) | length of the wrapped key (2) | wrapped key | CRC-32 of all before (4)`, a record
`length of the parcel (4) | CRC-32 of the parcel (4) | parcel`, numbers in network order. The end of a file may be cut
off by a crash: what is cut was acknowledged to nobody.
"""

import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from privacy.parcel import ParcelSealer
from privacy.sealing import Unreadable

SUFFIX: Final = ".spool"

_MAGIC: Final = b"TGSP\x01"
_KEY_LENGTH: Final = struct.Struct(">H")
_CHECK: Final = struct.Struct(">I")
_RECORD: Final = struct.Struct(">II")
_LARGEST_PARCEL: Final = 4 * 1024 * 1024


class Content(NamedTuple):
    """What a file holds, as far as it is whole."""

    wrapped_key: bytes
    parcels: list[bytes | None]
    """The parcels by their place in the file; None for one whose check fails."""
    end: int
    """Where the last whole record ends: what lies behind was cut off."""


def path_of(folder: Path, number: int) -> Path:
    """Name the file of a number."""
    return folder / f"{number:016d}{SUFFIX}"


def numbers_in(folder: Path) -> list[int]:
    """List the numbers of the files in a folder, the oldest first."""
    return sorted(int(path.stem) for path in folder.glob(f"*{SUFFIX}"))


def write_header(descriptor: int, wrapped_key: bytes) -> int:
    """Begin a file and return its length."""
    head = _MAGIC + _KEY_LENGTH.pack(len(wrapped_key)) + wrapped_key
    return write_whole(descriptor, head + _CHECK.pack(zlib.crc32(head)))


def write_records(descriptor: int, number: int, first: int, bodies: Sequence[bytes], sealer: ParcelSealer) -> int:
    """Seal bodies, append them from place `first` on, and return how many bytes that took."""
    pieces: list[bytes] = []
    for place, body in enumerate(bodies, first):
        parcel = sealer.seal(body, place_of(number, place))
        pieces += (_RECORD.pack(len(parcel), zlib.crc32(parcel)), parcel)
    return write_whole(descriptor, b"".join(pieces))


def write_whole(descriptor: int, data: bytes) -> int:
    """Write all of some bytes and return how many they are. Raises `OSError`."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    return len(data)


def place_of(number: int, place: int) -> bytes:
    """Say where a parcel lies, to be bound into it."""
    return struct.pack(">QI", number, place)


def read(path: Path) -> Content | None:
    """Read a file; None for one that was cut off before its first record could be kept. Raises `OSError`."""
    data = path.read_bytes()
    start = len(_MAGIC) + _KEY_LENGTH.size
    if len(data) < start or not data.startswith(_MAGIC):
        return None
    (length,) = _KEY_LENGTH.unpack_from(data, len(_MAGIC))
    end = start + length + _CHECK.size
    if len(data) < end or _CHECK.unpack_from(data, start + length) != (zlib.crc32(data[: start + length]),):
        return None
    parcels: list[bytes | None] = []
    while len(data) - end >= _RECORD.size:
        size, check = _RECORD.unpack_from(data, end)
        parcel = data[end + _RECORD.size : end + _RECORD.size + size]
        if size > _LARGEST_PARCEL or len(parcel) < size:
            break
        intact = zlib.crc32(parcel) == check
        if not intact and end + _RECORD.size + size == len(data):
            break
        parcels.append(parcel if intact else None)
        end += _RECORD.size + size
    return Content(data[start : start + length], parcels, end)


def open_parcels(content: Content, number: int, sealer: ParcelSealer) -> list[bytes | None]:
    """Open the parcels of a file; None for each that is damaged."""
    bodies: list[bytes | None] = []
    for place, parcel in enumerate(content.parcels):
        try:
            bodies.append(None if parcel is None else sealer.open(parcel, place_of(number, place)))
        except Unreadable:
            bodies.append(None)
    return bodies
