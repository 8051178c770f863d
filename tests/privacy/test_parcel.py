import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.keys import new_key
from privacy.parcel import ParcelSealer
from privacy.sealing import Unreadable

SEALER = ParcelSealer(new_key())


@given(st.binary(), st.binary(max_size=16))
def test_what_is_sealed_opens_at_its_place_and_shows_nothing(body: bytes, place: bytes) -> None:
    parcel = SEALER.seal(body, place)
    assert SEALER.open(parcel, place) == body
    assert len(body) < 4 or body not in parcel


@given(st.binary(), st.data())
def test_any_altered_byte_is_noticed(body: bytes, data: st.DataObject) -> None:
    parcel = bytearray(SEALER.seal(body, b"here"))
    parcel[data.draw(st.integers(0, len(parcel) - 1))] ^= 1
    with pytest.raises(Unreadable):
        SEALER.open(bytes(parcel), b"here")


def test_it_opens_nowhere_else_and_under_no_other_key() -> None:
    parcel = SEALER.seal(b"body", b"here")
    for sealer, place in ((SEALER, b"there"), (ParcelSealer(new_key()), b"here")):
        with pytest.raises(Unreadable):
            sealer.open(parcel, place)
    with pytest.raises(Unreadable):
        SEALER.open(b"short", b"here")
