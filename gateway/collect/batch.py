"""The events of one request on their way through the steps."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

import structlog

from domain.alias import Alias, Subject
from domain.consent import Statements
from domain.errors import FAILURES
from domain.event import Call, CallType, ProtectedEvent
from domain.outcome import Outcome, Result
from gateway.collect.decode import Shared, read_message_id
from gateway.errors import place_of
from gateway.workspace import Workspace
from privacy.gate import Verdict
from privacy.ledger.record import DECLARED
from privacy.protect import Reason
from privacy.signals.sources import Signal
from stores.consents import Statement
from stores.subjects import NOBODY, Standing

_log = structlog.get_logger()

NOTHING_SHARED: Final = Shared()


@dataclass(slots=True)
class Item:
    """One event. Each step fills in what the next ones read; the step that sets `result` is its last."""

    raw: bytes
    call: Call | None = None
    aliases: tuple[Alias, ...] = ()
    """Blind indexes of its identifiers, strongest first; after the gate, only those that may be kept."""
    words: bytes = b""
    """What the call itself says about consent, as it was sent: the same bytes mean the same."""
    signals: tuple[Signal, ...] = ()
    """What the call and its request say about consent."""
    stored: tuple[Statements, ...] = ()
    """What the people behind its aliases have said, as of this event's place in the batch."""
    verdict: Verdict | None = None
    subject: Subject | None = None
    proofs: tuple[int, ...] = ()
    """The ledger's record of each purpose of the verdict, in their order."""
    event: ProtectedEvent | None = None
    dropped: Mapping[str, Reason] = field(default_factory=dict)
    """Paths of fields that were left out of it."""
    result: Result | None = None

    def end(self, outcome: Outcome, *, code: str | None = None, message: str | None = None) -> None:
        """Give the event its one outcome."""
        message_id = (self.call.message_id if self.call else read_message_id(self.raw)) or ""
        if message is None and code is not None:
            message = FAILURES[code].message
        self.result = Result(message_id, outcome, code, message, tuple(self.dropped))


class Spoken(NamedTuple):
    """A statement of a message: after which of the batch's items it holds, and the number of its record."""

    place: int
    statement: Statement
    seq: int


@dataclass(slots=True)
class Batch:
    """All events of one request, of one workspace."""

    workspace: Workspace
    items: list[Item]
    received_at: datetime
    call_type: CallType | None = None
    """The type that the route names; None where each event names its own."""
    shared: Shared = NOTHING_SHARED
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the request that speak of consent, names in lower case."""
    declared: tuple[Statements, ...] = ()
    """What the operator declares in the people's stead, as a basis of their own systems."""
    basis: str = DECLARED
    """What the ledger names as the basis of what is declared."""
    standing: Standing = NOBODY
    spoken: tuple["Spoken", ...] = ()
    """What consent messages of this batch have said, in the order of the ledger."""
    losses: Counter[tuple[str, Reason]] = field(default_factory=Counter)
    """How many events lost a field of this path for this reason."""

    @property
    def open(self) -> list[tuple[Item, Call]]:
        """List the events that have no outcome yet, with their calls."""
        return [(item, item.call) for item in self.items if item.result is None and item.call is not None]

    def end_open(self, outcome: Outcome, code: str) -> None:
        """Give all events that have none the same outcome."""
        for item in self.items:
            if item.result is None:
                item.end(outcome, code=code)

    def each(self, act: Callable[[Item, Call], None]) -> None:
        """Apply a pure rule to each event that has no outcome yet.

        One that trips over a fault of ours ends here as invalid with the code `internal`: a retry would only trip
        again, and hold up its neighbours.
        """
        for item, call in self.open:
            try:
                act(item, call)
            except Exception as error:  # noqa: BLE001 - see above
                end_faulty(item, error)


def end_faulty(item: Item, error: Exception) -> None:
    """End an event that our own code tripped over; the log tells where, never over what."""
    _log.error("event_fault", error=type(error).__name__, place=place_of(error))
    item.end(Outcome.INVALID, code="internal")
