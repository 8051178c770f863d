"""A chunk of the spool, which is one file: frames that are only ever added.

It begins with a frame of the wrapped key, and each write adds parcels and that frame again. So the key is in a file
more than once, and an end that is no such frame was cut off. Whether that had been acknowledged nothing tells, so it
counts as lost. Only a last write that is missing as a whole leaves no trace in a file.
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from privacy.parcel import ParcelSealer
from privacy.sealing import Unreadable
from stores.spool import former, frame
from stores.spool.content import Content, Damage, Parcel
from stores.spool.frame import Kind

_BEGUN_LENGTH: Final = 8


class Seal:
    """The key that a process seals its files by, and the frame that tells it to who may unwrap it."""

    def __init__(self, key: bytes, wrapped: bytes) -> None:
        self.sealer = ParcelSealer(key)
        self._wrapped = wrapped

    def frame(self, place: int, begun: float) -> bytes:
        """Make the frame of the key for one place of a file."""
        return frame.pack(Kind.KEY, place, int(begun).to_bytes(_BEGUN_LENGTH) + self._wrapped)


def pack(number: int, first: int, bodies: Sequence[bytes], seal: Seal, begun: float) -> bytes:
    """Seal bodies for the places from `first` on, with the frame of the key behind them."""
    pieces = [
        frame.pack(Kind.PARCEL, place, seal.sealer.seal(body, _place_of(number, place)))
        for place, body in enumerate(bodies, first)
    ]
    return b"".join((*pieces, seal.frame(first + len(bodies), begun)))


def read(path: Path, most: int | None = None) -> Content:
    """Read a file, or as many bytes of it as were ever acknowledged. Raises `OSError`."""
    with path.open("rb") as file:
        return parse(file.read(most))


def parse(data: bytes) -> Content:
    """Read what was in a file."""
    return former.parse(data) if former.is_former(data) else _parse_frames(data)


def open_parcels(content: Content, number: int, sealer: ParcelSealer | None) -> tuple[list[bytes], list[Damage]]:
    """Open the parcels of a file. Return their bodies, and what is damaged with what of them does not open."""
    bodies: list[bytes] = []
    damage = list(content.damage)
    for parcel in content.parcels:
        try:
            if sealer is None:
                raise Unreadable("No frame of the key is whole.")  # noqa: TRY301 - one end for both
            bodies.append(sealer.open(parcel.sealed, _place_of(number, parcel.place)))
        except Unreadable:
            damage.append(Damage(parcel.start, parcel.end, 1))
    return bodies, sorted(damage)


def _parse_frames(data: bytes) -> Content:
    wrapped_key, begun = None, None
    parcels: list[Parcel] = []
    damage: list[Damage] = []
    place = end = 0
    last = None
    for each in frame.scan(data):
        if each.place < place:
            continue  # no file was ever written so
        if each.start > end or each.place > place:
            damage.append(Damage(end, each.start, each.place - place))
        if each.kind == Kind.PARCEL:
            parcels.append(Parcel(each.place, each.payload, each.start, each.end))
        elif wrapped_key is None:
            begun = int.from_bytes(each.payload[:_BEGUN_LENGTH])
            wrapped_key = each.payload[_BEGUN_LENGTH:]
        place, end, last = each.place + (each.kind == Kind.PARCEL), each.end, each.kind
    if end < len(data) or last == Kind.PARCEL:
        damage.append(Damage(end, len(data), max(1, frame.count_parcels(data, end))))
    return Content(wrapped_key, parcels, damage, begun)


def _place_of(number: int, place: int) -> bytes:
    return struct.pack(">QI", number, place)
