"""What is damaged costs what it touches: all else is given back, nothing false ever is, and what is lost is told."""

import struct
import zlib
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.parcel import ParcelSealer
from stores.spool import chunk, frame
from stores.spool.chunk import Seal
from stores.spool.content import Damage, lost
from stores.spool.frame import Kind

KEY = bytes(range(32))
WRAPPED = b"wrapped " * 8
NUMBER = 7
WRITES = [[b"one"], [b"two", b"three", b"four"], [b"five" * 9], [b"six", b"seven"]]
BODIES = [body for bodies in WRITES for body in bodies]


def written() -> tuple[bytes, list[int]]:
    """Make a file of some writes, and say where each of them ends."""
    seal = Seal(KEY, WRAPPED)
    data, first = seal.frame(0, 1_700_000_000.5), 0
    ends = [len(data)]
    for bodies in WRITES:
        data += chunk.pack(NUMBER, first, bodies, seal, 1_700_000_000.5)
        first += len(bodies)
        ends.append(len(data))
    return data, ends


DATA, ENDS = written()
PARCELS = [each for each in frame.scan(DATA) if each.kind == Kind.PARCEL]
KEYS = [each for each in frame.scan(DATA) if each.kind == Kind.KEY]


def read(data: bytes) -> tuple[list[bytes], list[Damage]]:
    """Read what is on the disk as the spool does."""
    content = chunk.parse(data)
    assert content.wrapped_key in {WRAPPED, None}
    return chunk.open_parcels(content, NUMBER, None if content.wrapped_key is None else ParcelSealer(KEY))


def untouched(data: bytes) -> list[bytes]:
    """Name the bodies whose frames are as they were written."""
    return [
        body
        for body, parcel in zip(BODIES, PARCELS, strict=True)
        if data[parcel.start : parcel.end] == DATA[parcel.start : parcel.end]
    ]


def test_what_was_written_is_read_with_its_key_and_time() -> None:
    assert read(DATA) == (BODIES, [])
    assert chunk.parse(DATA).begun == 1_700_000_000
    assert len(KEYS) == 1 + len(WRITES)


def test_a_flipped_bit_costs_the_request_that_it_lies_in() -> None:
    for place in range(len(DATA)):
        for bit in range(8):
            data = bytearray(DATA)
            data[place] ^= 1 << bit
            bodies, damage = read(bytes(data))
            assert bodies == untouched(bytes(data)), (place, bit)
            [stretch] = damage
            assert stretch.start <= place < stretch.end
            # The last frame is one of the key, and nothing says that there was no request in its place.
            assert stretch.lost == (1 if place >= KEYS[-1].start else len(BODIES) - len(bodies))


def test_an_end_that_is_cut_off_is_noticed_unless_it_is_whole_writes() -> None:
    for length in range(1, len(DATA)):
        bodies, damage = read(DATA[:length])
        assert bodies == (untouched(DATA[:length]) if length >= ENDS[0] else [])
        assert (lost(damage) == 0) == (length in ENDS)


@pytest.mark.parametrize("filler", [b"\0", b"\xff", b"\xabTG\x02"])
def test_an_end_that_was_never_written_is_no_request(filler: bytes) -> None:
    for length in range(len(DATA) + 1):
        data = DATA[:length] + filler * 1_024
        bodies, damage = read(data)
        assert bodies == (untouched(data) if length >= ENDS[0] else [])
        assert damage[-1].end == len(data)
        assert damage[-1].lost >= 1


Patch = tuple[int, bytes]
PATCH = st.tuples(st.integers(0, len(DATA) - 1), st.one_of(st.binary(min_size=1, max_size=90), st.just(bytes(60))))


@settings(max_examples=400, deadline=None)
@given(patches=st.lists(PATCH, max_size=4), tail=st.binary(max_size=200), cut=st.integers(0, 60))
def test_whatever_is_damaged_nothing_whole_is_lost_and_nothing_false_is_given(
    patches: Iterable[Patch], tail: bytes, cut: int
) -> None:
    data = bytearray(DATA[: len(DATA) - cut])
    for place, patch in patches:
        data[place : place + len(patch)] = patch[: max(0, len(data) - place)]
    damaged = bytes(data) + tail
    bodies, damage = read(damaged)
    has_key = any(damaged[key.start : key.end] == DATA[key.start : key.end] for key in KEYS)
    assert bodies == (untouched(damaged) if has_key else [])
    assert all(one.end <= other.start for one, other in pairwise(damage))
    if bodies != BODIES:
        assert lost(damage) >= 1


@pytest.mark.parametrize("start", [len(DATA), 0])
def test_pages_of_zeroes_are_one_stretch(start: int) -> None:
    bodies, damage = read(DATA[:start] + bytes(4_096))
    assert bodies == BODIES[: len(BODIES) if start else 0]
    assert damage == [Damage(start, start + 4_096, 1)]


def test_a_frame_of_nothing_is_none() -> None:
    empty = frame.pack(Kind.PARCEL, len(BODIES), b"")
    assert read(DATA + empty) == (BODIES, [Damage(len(DATA), len(DATA + empty), 1)])


def former(bodies: Iterable[bytes]) -> tuple[bytes, list[int]]:
    """Make a file as the release before the frames did, and say where each record ends."""
    head = b"TGSP\x01" + struct.pack(">H", len(WRAPPED)) + WRAPPED
    data = head + struct.pack(">I", zlib.crc32(head))
    ends = [len(data)]
    for place, body in enumerate(bodies):
        parcel = ParcelSealer(KEY).seal(body, struct.pack(">QI", NUMBER, place))
        data += struct.pack(">II", len(parcel), zlib.crc32(parcel)) + parcel
        ends.append(len(data))
    return data, ends


def test_a_file_of_the_former_format_is_read() -> None:
    data, ends = former(BODIES)
    assert read(data) == (BODIES, [])
    assert chunk.parse(data).begun is None
    assert read(former([])[0]) == ([], [])
    damaged = bytearray(data)
    damaged[ends[2] - 1] ^= 1
    assert read(bytes(damaged)) == ([*BODIES[:1], *BODIES[2:]], [Damage(ends[1], ends[2], 1)])


def test_damage_of_the_former_format_is_told_wherever_it_is() -> None:
    data, ends = former(BODIES)
    for place in range(len(data)):
        for bit in (0, 3, 7):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            bodies, damage = read(bytes(flipped))
            before = max(0, sum(end <= place for end in ends) - 1)
            assert bodies[:before] == BODIES[:before]
            assert set(bodies) < set(BODIES)
            assert lost(damage) >= 1
    for length in range(1, len(data)):
        bodies, damage = read(data[:length])
        assert bodies == BODIES[: max(0, sum(end <= length for end in ends) - 1)]
        # A record says nothing of those behind it.
        assert (lost(damage) == 0) == (length in ends)
    bodies, damage = read(data + bytes(4_096))
    assert bodies == BODIES
    assert lost(damage) == 1
