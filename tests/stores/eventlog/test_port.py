import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.eventlog.port import partition_of


@given(key=st.binary(max_size=64), partitions=st.integers(min_value=1, max_value=1000))
def test_a_key_always_has_the_same_place_within_the_count(key: bytes, partitions: int) -> None:
    place = partition_of(key, partitions)
    assert 0 <= place < partitions
    assert partition_of(bytes(bytearray(key)), partitions) == place


@pytest.mark.parametrize(("key", "place"), [(b"", 0), (b"123456789", 0xCBF43926 % 12)])
def test_the_places_that_stored_records_rely_on(key: bytes, place: int) -> None:
    assert partition_of(key, 12) == place
