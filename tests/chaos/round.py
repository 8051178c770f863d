"""What one fault came to: a row of the ledger."""

from dataclasses import dataclass

from tests.chaos.oracle import Findings


@dataclass(frozen=True)
class Round:
    """What was sent and answered, and what was found once all had settled."""

    fault: str
    log: str
    sent: int
    acknowledged: int
    refused: int
    silent: int
    """Batches whose connection broke before an answer."""
    faulty: int
    """Batches that were answered in no way that a client is promised; must be 0."""
    slowest: float
    """Seconds that the slowest answer took."""
    found: Findings
    settled: float
    """Seconds until all of it was so."""

    @property
    def sound(self) -> bool:
        return not (self.faulty or self.found.bad)
