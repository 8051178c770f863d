"""What became of events, counted once: as it is told to whoever sent them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from domain.errors import StoreUnavailable
from domain.outcome import Outcome, Result
from gateway.metrics import Metrics


class Tally:
    """Counts answers. What becomes later of an event that the spool has acknowledged is counted by the spool."""

    def __init__(self, metrics: Metrics) -> None:
        # All are there from the beginning, as a rate knows nothing of a counter that begins at more than zero.
        self._events: Final = {outcome: metrics.events.labels(outcome) for outcome in Outcome}

    def tell(self, results: Sequence[Result]) -> dict[str, int]:
        """Count the results of one request, and return how many there are of each outcome."""
        counts = Counter([result.outcome for result in results])
        for outcome, number in counts.items():
            self._events[outcome].inc(number)
        return {outcome.value: number for outcome, number in counts.items()}

    @contextmanager
    def refusing(self, events: int) -> Iterator[None]:
        """Count so many events as unavailable if the block ends with `StoreUnavailable`: none of them has a result."""
        try:
            yield
        except StoreUnavailable:
            self._events[Outcome.UNAVAILABLE].inc(events)
            raise
