"""Holding the stored last words to the ledger: what a person said last must be what is in force."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID

import msgspec

from domain.consent import Purpose, State
from privacy.ledger.audit import Broken
from privacy.ledger.record import Opening, Record, read_record

REPEATED_WITHIN: Final = timedelta(days=1)
"""For how long after a record the same word, said again, rests on it."""

Key = tuple[UUID, Purpose]


class Stored(msgspec.Struct, frozen=True):
    """The word of a subject on a purpose that is in force. `seq` is its record; none if it is older than the ledger.

    `at` is when it was last said, which may be up to a day after the record.
    """

    subject: UUID
    purpose: Purpose
    state: State
    at: datetime
    seq: int | None


class Opened(msgspec.Struct, frozen=True):
    """A record that is known to be about somebody. `is_claim`: an event claimed it, and it is no word to be stored."""

    seq: int
    leaf: bytes
    opening: Opening
    is_claim: bool


class Comparison:
    """Compares stored words with records, some people at a time. `begun` is when the ledger got its first record."""

    def __init__(self, begun: datetime | None) -> None:
        self.compared = 0
        """How many stored words are those that the ledger has."""
        self.unrecorded = 0
        """How many are older than the ledger, which can say nothing of them."""
        self._begun: Final = begun

    def take(self, stored: Iterable[Stored], opened: Sequence[Opened]) -> None:
        """Compare everything about some subjects. `opened` is in the order of the ledger.

        Raises `Broken` with the first word, by subject and purpose, that is not what the ledger says.
        """
        rows = {(row.subject, row.purpose): row for row in stored}
        last = last_words(opened, rows)
        for key in sorted(rows.keys() | last.keys()):
            self._compare(key, rows.get(key), last.get(key))

    def _compare(self, key: Key, row: Stored | None, last: Record | None) -> None:
        subject, purpose = key
        word = f"the stored word of subject {subject} on {purpose}"
        if row is None and last is not None:
            raise Broken(f"{word} is missing, record {last.seq} says {last.state}", last.seq)
        if row is None:
            return
        if last is None:
            if row.seq is not None or (self._begun is not None and row.at > self._begun):
                raise Broken(f"{word} says {row.state}, and no record of theirs does")
            self.unrecorded += 1
            return
        if row.state is not last.state:
            raise Broken(f"{word} says {row.state}, record {last.seq} says {last.state}", last.seq)
        if row.seq != last.seq or not is_repeat(last, row.at):
            raise Broken(f"{word} is not the one of record {last.seq}", last.seq)
        self.compared += 1


def last_words(opened: Sequence[Opened], stored: Mapping[Key, Stored] = MappingProxyType({})) -> dict[Key, Record]:
    """Find the record that is in force for each subject and purpose: the last said; at the same instant, a refusal.

    A record counts as said when the stored word that rests on it was last repeated. Raises `Broken` for an opening
    that is not that of its record.
    """
    last: dict[Key, tuple[datetime, Record]] = {}
    for each in opened:
        record = read_record(each.leaf)
        if not each.opening.fits(record):
            raise Broken(f"record {each.seq} is not about the subject that it is said to be about", each.seq)
        if each.is_claim and record.state is State.GRANTED:
            continue
        key = each.opening.subject, record.purpose
        row, at = stored.get(key), record.said_at
        if row is not None and row.seq == each.seq and is_repeat(record, row.at):
            at = row.at
        if key not in last or _outranks(at, record.state, last[key][0]):
            last[key] = at, record
    return {key: record for key, (_, record) in last.items()}


def is_repeat(record: Record, at: datetime) -> bool:
    """Tell whether a word that was last said at this time may rest on a record."""
    return record.said_at <= at < record.said_at + REPEATED_WITHIN


def _outranks(at: datetime, state: State, earlier: datetime) -> bool:
    return at > earlier or (at == earlier and state is not State.GRANTED)
