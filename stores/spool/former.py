"""Files of the format before the present one: what an earlier release has acknowledged is drained by this one.

The header is `magic (5 bytes) | length of the wrapped key (2) | wrapped key | CRC-32 of all before (4)`, a record
`length of the parcel (4) | CRC-32 of the parcel (4) | parcel`. Nothing guards the lengths, so what lies behind a
damaged one cannot be found.
"""

import struct
import zlib
from typing import Final

from stores.spool.content import Content, Damage, Parcel

_MAGIC: Final = b"TGSP\x01"
_KEY_LENGTH: Final = struct.Struct(">H")
_CHECK: Final = struct.Struct(">I")
_RECORD: Final = struct.Struct(">II")


def is_former(data: bytes) -> bool:
    """Tell whether a file is of that format."""
    return data.startswith(_MAGIC)


def parse(data: bytes) -> Content:
    """Read such a file."""
    begin = len(_MAGIC) + _KEY_LENGTH.size
    if len(data) < begin:
        return Content(None, [], [Damage(0, len(data), 1)])
    key_end = begin + _KEY_LENGTH.unpack_from(data, len(_MAGIC))[0]
    end = key_end + _CHECK.size
    if len(data) < end or _CHECK.unpack_from(data, key_end) != (zlib.crc32(data[:key_end]),):
        return Content(None, [], [Damage(0, len(data), 1)])
    content = Content(data[begin:key_end], [], [])
    place = 0
    while len(data) - end >= _RECORD.size:
        size, check = _RECORD.unpack_from(data, end)
        start, after = end, end + _RECORD.size + size
        sealed = data[start + _RECORD.size : after]
        if not size or len(sealed) < size:
            break
        if zlib.crc32(sealed) == check:
            content.parcels.append(Parcel(place, sealed, start, after))
        else:
            content.damage.append(Damage(start, after, 1))
        place, end = place + 1, after
    if end < len(data):
        content.damage.append(Damage(end, len(data), 1))
    return content
