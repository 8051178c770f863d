"""One record of the ledger: what somebody said about one purpose, and whom it is about only for who holds its opening.

The fields are those of ISO/IEC TS 27560:2023 that a gateway knows of.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.consent import Purpose, State

SALT_LENGTH: Final = 32
"""Bytes of the random salt of each record."""

CONSENT: Final = "consent"
"""The basis of what a person said themselves."""
DECLARED: Final = "declared"
"""The basis of what the operator's own systems answer for; also the name of that source."""
LINKED: Final = "linked"
"""The source of a grant that another identifier of the same person has given: its signal names that record."""


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be recorded."""

    subject: UUID
    purpose: Purpose
    state: State
    source: str
    said_at: datetime
    """When it was said, as far as we believe the client's clock."""
    basis: str = CONSENT
    signal: bytes | None = None
    """`digest_signal` of what was sent in a raw form."""
    plan: int = 0
    """Version of the tracking plan, which names the purposes of every field; 0 where none was in use."""
    notice: str | None = None
    """The site's own name for the text that it showed."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record as its leaf holds it. Bytes are written in base64, times in UTC to the microsecond."""

    at: datetime
    """When it was recorded, by the clock of the store."""
    basis: str
    notice: str | None
    plan: int
    previous: bytes
    """The leaf hash of the record before; 32 zero bytes in the first."""
    purpose: Purpose
    said_at: datetime
    seq: int
    """From 1: its index in the tree is one less."""
    signal: bytes | None
    source: str
    state: State
    subject: bytes
    v: int = 1


class Opening(msgspec.Struct, frozen=True):
    """What shows whom a record is about, and by which signal. It is erased with the person."""

    subject: UUID
    salt: bytes
    signal: bytes | None = None

    def fits(self, record: Record) -> bool:
        """Tell whether the record was made with this opening."""
        return (record.subject, record.signal) == (commit(self.salt, self.subject), _salted(self.salt, self.signal))


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(Record).decode


def write_record(word: Word, salt: bytes, *, seq: int, previous: bytes, at: datetime) -> bytes:
    """Write a word as the leaf that follows the record `previous`."""
    record = Record(
        at=at,
        basis=word.basis,
        notice=word.notice,
        plan=word.plan,
        previous=previous,
        purpose=word.purpose,
        said_at=word.said_at,
        seq=seq,
        signal=_salted(salt, word.signal),
        source=word.source,
        state=word.state,
        subject=commit(salt, word.subject),
    )
    return _encode(record)


def read_record(leaf: bytes) -> Record:
    """Read a leaf. Raises `msgspec.ValidationError` and `msgspec.DecodeError`."""
    return _decode(leaf)


def commit(salt: bytes, subject: UUID) -> bytes:
    """Commit to a subject without showing it: SHA-256(salt ‖ id)."""
    return sha256(salt + subject.bytes).digest()


def digest_signal(raw: Any) -> bytes:
    """Digest a signal as it was sent, JSON with its keys sorted, so that the same one is known again: SHA-256."""
    return sha256(_encode(raw)).digest()


def _salted(salt: bytes, signal: bytes | None) -> bytes | None:
    """Salt a signal's digest: the few that a banner can send would be known again by theirs."""
    return None if signal is None else sha256(salt + signal).digest()
