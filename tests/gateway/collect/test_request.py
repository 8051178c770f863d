import gzip
import tracemalloc

import pytest

from domain.errors import Refused
from gateway.collect.request import LARGEST_REQUEST, unpack


def test_gzip_is_undone() -> None:
    assert unpack(gzip.compress(b"x" * LARGEST_REQUEST)) == b"x" * LARGEST_REQUEST


def test_a_bomb_is_refused_before_it_takes_memory() -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    tracemalloc.start()
    with pytest.raises(Refused) as caught:
        unpack(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "request_too_large"
    assert peak < 4 * LARGEST_REQUEST


@pytest.mark.parametrize(
    "packed", [b"", b"{}", gzip.compress(b"{}", mtime=0)[:-1], gzip.compress(b"{}", mtime=0) + b"more"]
)
def test_what_is_not_gzip_is_refused(packed: bytes) -> None:
    with pytest.raises(Refused) as caught:
        unpack(packed)
    assert caught.value.code == "malformed_encoding"
