from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.keys import new_key
from privacy.sealing import Sealer, Unreadable
from tests.privacy.conftest import SUBJECT, WORKSPACE

KEY = bytes(range(32))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(VALUES, st.text())
def test_what_is_sealed_opens(value: Any, path: str) -> None:
    sealer = Sealer(WORKSPACE, SUBJECT, KEY)
    assert sealer.open(path, sealer.seal(path, value)) == value


def test_frame_has_the_documented_parts() -> None:
    frame = Sealer(WORKSPACE, SUBJECT, KEY, version=258).seal("traits.email", "jane@mail.co")
    assert frame[:3] == b"\x01\x01\x02"
    assert len(frame) == 3 + 12 + len('"jane@mail.co"') + 16
    assert b"jane" not in frame


def test_two_frames_of_one_value_differ() -> None:
    sealer = Sealer(WORKSPACE, SUBJECT, KEY)
    assert sealer.seal("a", 1) != sealer.seal("a", 1)


@pytest.mark.parametrize(
    ("other", "path"),
    [
        (Sealer(WORKSPACE, SUBJECT, KEY), "traits.phone"),
        (Sealer(WORKSPACE, uuid4(), KEY), "traits.email"),
        (Sealer(uuid4(), SUBJECT, KEY), "traits.email"),
        (Sealer(WORKSPACE, SUBJECT, new_key()), "traits.email"),
        (Sealer(WORKSPACE, SUBJECT, KEY, version=2), "traits.email"),
    ],
)
def test_frame_does_not_open_elsewhere(other: Sealer, path: str) -> None:
    frame = Sealer(WORKSPACE, SUBJECT, KEY).seal("traits.email", "jane@mail.co")
    with pytest.raises(Unreadable):
        other.open(path, frame)


@given(st.integers(0, 39), st.integers(1, 255))
def test_altered_frame_does_not_open(position: int, flip: int) -> None:
    sealer = Sealer(WORKSPACE, SUBJECT, KEY)
    frame = bytearray(sealer.seal("a", "12345678"))
    frame[position] ^= flip
    with pytest.raises(Unreadable):
        sealer.open("a", bytes(frame))


@given(st.binary(max_size=64))
def test_noise_does_not_open(noise: bytes) -> None:
    with pytest.raises(Unreadable):
        Sealer(WORKSPACE, SUBJECT, KEY).open("a", noise)
