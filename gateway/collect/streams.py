"""How many streams of events are open at once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from domain.errors import Refused

_MOST: Final = 1_000
_MOST_OF_A_KEY: Final = 100


class Streams:
    """Bounds the streams of a gateway, and those of each key: an open one costs memory though nothing comes over it."""

    def __init__(self, most: int = _MOST, most_of_a_key: int = _MOST_OF_A_KEY) -> None:
        self._most = most
        self._most_of_a_key = most_of_a_key
        self._open: Counter[UUID] = Counter()

    @contextmanager
    def enter(self, key: UUID) -> Iterator[None]:
        """Hold a place for one stream. Raises `too_many_requests`."""
        if self._open.total() >= self._most or self._open[key] >= self._most_of_a_key:
            raise Refused(code="too_many_requests")
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
