"""How many collect requests are under way at once, and the end of taking more."""

from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import Refused, TagwayError
from gateway.metrics import Metrics


class Intake:
    """Bounds the requests under way, so that a flood is refused early instead of slowing everyone down."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most = most
        self._metrics = metrics
        self._under_way = 0
        self._stopping = False

    def stop(self) -> None:
        """Refuse all further requests; those under way come to their end."""
        self._stopping = True

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold a place for one request. Raises `too_many_requests` or `shutting_down`."""
        if self._stopping:
            raise TagwayError(code="shutting_down")
        if self._under_way >= self._most:
            raise Refused(code="too_many_requests")
        self._under_way += 1
        self._metrics.collecting.set(self._under_way)
        try:
            yield
        finally:
            self._under_way -= 1
            self._metrics.collecting.set(self._under_way)
