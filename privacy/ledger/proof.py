"""Proofs that events were processed on recorded consent, checked without any store: by hashes and signatures.

The signed head vouches for the records, and a signature of the same key ties each event to those it rests on.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from domain.consent import Purpose, State
from privacy.ledger.checkpoint import Checkpoint, Signer, Untrusted, is_attested, read_checkpoint
from privacy.ledger.merkle import is_included, leaf_hash
from privacy.ledger.record import Opening, Record, read_record

_CLOCKS: Final = timedelta(minutes=5)
"""By how much the clocks of two servers may differ."""


class Grant(msgspec.Struct, frozen=True):
    """The record that one purpose rests on: the leaf as it stands, its opening, and its path to the root."""

    leaf: str
    opening: Opening
    path: tuple[bytes, ...]


class Evidence(msgspec.Struct, frozen=True):
    """One event, as far as consent concerns it. `grants` stand beside `purposes`; `necessary` rests on none.

    `signature` is the ledger's own, by `signed`: it was stored so, under this message id and no other.
    """

    message_id: str
    subject: UUID
    received_at: datetime
    purposes: tuple[Purpose, ...]
    grants: tuple[Grant | None, ...]
    signature: bytes = b""


class Proof(msgspec.Struct, frozen=True, kw_only=True, tag_field="v", tag=2):
    """A signed head of the ledger, and events whose records are under it."""

    public_key: str
    checkpoint: str
    events: tuple[Evidence, ...]


class Finding(msgspec.Struct, frozen=True):
    """What became of one event's proof: without a problem, it is proven."""

    message_id: str
    problem: str | None = None


encode_proof = msgspec.json.Encoder().encode
"""`Proof` → JSON."""

_decode = msgspec.json.Decoder(Proof).decode
_encode_statement = msgspec.json.Encoder(order="sorted").encode


def signed(event: Evidence, signer: Signer) -> Evidence:
    """Sign what an event's proof says: its message id, person, time, purposes, and the record of each."""
    return msgspec.structs.replace(event, signature=signer.attest(_statement(event)))


def read_proof(text: bytes) -> Proof:
    """Read a proof. Raises `Untrusted` for what is none."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Untrusted("this is not a proof") from error


def check_proof(proof: Proof, public_key: str | None = None) -> list[Finding]:
    """Check every event of a proof against its head, signed by `public_key`, or by the key that the proof names.

    Only a key that came another way shows whose ledger it is. Raises `Untrusted` when the head itself cannot be
    trusted, which proves nothing.
    """
    key = public_key or proof.public_key
    head = read_checkpoint(proof.checkpoint, key)
    return [Finding(event.message_id, _problem(event, head, key)) for event in proof.events]


def _problem(event: Evidence, head: Checkpoint, public_key: str) -> str | None:
    if not is_attested(_statement(event), event.signature, public_key):
        return "it is not the event that was signed"
    if len(event.grants) != len(event.purposes) or not event.purposes:
        return "its purposes and its records do not stand side by side"
    for purpose, grant in zip(event.purposes, event.grants, strict=True):
        if purpose is not Purpose.NECESSARY:
            problem = "there is no record" if grant is None else _fault(event, purpose, grant, head)
            if problem is not None:
                return f"{purpose}: {problem}"
    return None


def _fault(event: Evidence, purpose: Purpose, grant: Grant, head: Checkpoint) -> str | None:
    try:
        record = read_record(grant.leaf.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "its record is not readable"
    if not _is_under(grant, record, head):
        return f"record {record.seq} is not in the ledger"
    faults: Sequence[tuple[bool, str]] = (
        (not grant.opening.fits(record) or grant.opening.subject != event.subject, "is about somebody else"),
        (record.purpose is not purpose, f"is about {record.purpose}"),
        (record.state is not State.GRANTED, f"says {record.state}"),
        (record.said_at > event.received_at + _CLOCKS, "was said after the event"),
    )
    return next((f"record {record.seq} {fault}" for holds, fault in faults if holds), None)


def _statement(event: Evidence) -> bytes:
    records = [None if grant is None else leaf_hash(grant.leaf.encode()) for grant in event.grants]
    return _encode_statement(
        {
            "message_id": event.message_id,
            "purposes": event.purposes,
            "received_at": event.received_at,
            "records": records,
            "subject": event.subject,
        }
    )


def _is_under(grant: Grant, record: Record, head: Checkpoint) -> bool:
    leaf = leaf_hash(grant.leaf.encode())
    return is_included(leaf, record.seq - 1, head.size, grant.path, head.root)
