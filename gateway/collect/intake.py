"""How much is taken in at once, and the end of taking more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from domain.errors import Refused, TagwayError
from gateway.metrics import Metrics

_MOST_ARRIVING: Final = 64_000_000
"""Bytes of bodies that have not arrived whole: whoever sends slowly holds what was sent, and nobody's place."""


class Intake:
    """Bounds the requests under way, so that a flood is refused early instead of slowing everyone down.

    A request is under way once it has arrived. Until then it counts by what has come of it: else some hundreds of
    clients who never send the rest would keep all others out.
    """

    def __init__(self, most: int, metrics: Metrics, *, most_arriving: int = _MOST_ARRIVING) -> None:
        self._most = most
        self._most_arriving = most_arriving
        self._metrics = metrics
        self._under_way = 0
        self._arriving = 0
        self._stopping = False

    def stop(self) -> None:
        """Refuse all further requests; those under way come to their end."""
        self._stopping = True

    def look(self) -> None:
        """Refuse whoever would find no place now, before more is read. Raises as `enter`."""
        if self._stopping:
            raise TagwayError(code="shutting_down")
        if self._under_way >= self._most:
            raise Refused(code="too_many_requests")

    @contextmanager
    def arriving(self) -> Iterator[Callable[[int], None]]:
        """Lend what is to be told the size of each piece of a body, and raises `too_many_requests` for want of room."""
        held = 0

        def take(size: int) -> None:
            nonlocal held
            if self._arriving + size > self._most_arriving:
                raise Refused(code="too_many_requests")
            self._arriving += size
            held += size

        try:
            yield take
        finally:
            self._arriving -= held

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold a place for one request. Raises `too_many_requests` or `shutting_down`."""
        self.look()
        self._under_way += 1
        self._metrics.collecting.set(self._under_way)
        try:
            yield
        finally:
            self._under_way -= 1
            self._metrics.collecting.set(self._under_way)
