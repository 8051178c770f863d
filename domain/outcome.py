"""What became of one event: exactly one outcome from a closed list."""

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """The closed list. Only `ACCEPTED` events are kept."""

    ACCEPTED = "accepted"
    """Durable: the event log has acknowledged it, or, while a store is away, the spool on this gateway's disk."""
    DUPLICATE = "duplicate"
    """An event of the same message id stood earlier in this batch and was taken."""
    DROPPED_CONSENT = "dropped_consent"
    """No purpose of the event is granted; nothing of it was kept."""
    DROPPED_SUPPRESSED = "dropped_suppressed"
    """The person has been erased and must stay forgotten."""
    INVALID = "invalid"
    """The event breaks the protocol or the tracking plan; `message` says where."""
    TOO_LARGE = "too_large"
    """The event is over 32 KB."""
    UNAVAILABLE = "unavailable"
    """A store or the log did not answer; not kept, retry."""


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer for one event of a batch."""

    message_id: str
    outcome: Outcome
    code: str | None = None
    """Code in the error table, where the outcome has one."""
    message: str | None = None
    """Which part is at fault, in words safe to show: names, never values."""
    dropped: tuple[str, ...] = ()
    """Names of the fields that were left out, as the plan does not name them or no granted purpose covers them."""
