"""Words that only repeat what stands: counted, not recorded anew, so that nobody makes the ledger grow by insisting."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from domain.consent import Purpose, State
from privacy.ledger.record import Record, Word, read_record
from privacy.ledger.standing import REPEATED_WITHIN
from stores.postgres import Connection

MOST_RECORDS: Final = 20
"""How many records of one answer of one person on one purpose are made in a day, whatever else changes in them."""

_NEWEST: Final = 400
"""How many of a person's records are looked through to count those of a day."""

Key = tuple[UUID, Purpose]


class Standing(msgspec.Struct):
    """A word in force, or one that is about to be. A word of the person's other identifiers may have overtaken it."""

    state: State
    source: str
    at: datetime
    """When it was last said."""
    record: Word
    """As it was recorded."""
    seq: int | None
    """The number of its record; None until it has one."""
    today: int = 1
    """How many records like it were made within a day."""
    repeats: int = 0
    """How often it was said again by the statements at hand."""
    is_overtaken: bool = False

    def is_repeated_by(self, word: Word) -> bool:
        """Tell whether a word says nothing new, later, and within a day of the record."""
        if self.is_overtaken or not self.at <= word.said_at < self.record.said_at + REPEATED_WITHIN:
            return False
        if _said(self.record) == _said(word):
            return True
        is_same_answer = self.state is word.state and self.source in (word.source, "gpc")
        return is_same_answer and self.today >= MOST_RECORDS

    def repeat(self, at: datetime) -> None:
        """Count a word that says it again."""
        self.at = max(self.at, at)
        self.repeats += 1


def _said(word: Word) -> tuple[object, ...]:
    return (word.state, word.source, word.basis, word.signal, word.plan, word.notice)


async def find_standing(connection: Connection, workspace: UUID, keys: Collection[Key]) -> dict[Key, Standing]:
    """Read the words in force that have a record which its opening still fits."""
    asked = sorted(keys)
    rows = await connection.fetch(
        """
        SELECT consent.subject_id, consent.purpose, consent.state, consent.source, consent.at, consent.seq,
            record.leaf, opening.signal,
            (
                SELECT count(*) FROM (
                    SELECT convert_from(one.leaf, 'UTF8')::jsonb AS leaf FROM (
                        SELECT seq FROM consent_opening WHERE workspace_id = $1 AND subject_id = consent.subject_id
                        ORDER BY seq DESC LIMIT $4
                    ) AS newest
                    JOIN consent_record AS one ON one.workspace_id = $1 AND one.seq = newest.seq
                ) AS made
                WHERE leaf ->> 'purpose' = consent.purpose AND leaf ->> 'state' = consent.state
                    AND (leaf ->> 'at')::timestamptz > now() - interval '1 day'
            ) AS today,
            EXISTS (
                SELECT FROM subject AS own
                JOIN subject AS kin ON kin.workspace_id = $1 AND kin.profile_id = own.profile_id
                JOIN consent AS other ON other.workspace_id = $1 AND other.subject_id = kin.id
                WHERE own.workspace_id = $1 AND own.id = consent.subject_id AND other.purpose = consent.purpose
                    AND other.at >= consent.at AND (other.state = 'granted') <> (consent.state = 'granted')
            ) AS is_overtaken
        FROM unnest($2::uuid[], $3::text[]) AS asked (subject_id, purpose)
        JOIN consent ON (consent.workspace_id, consent.subject_id, consent.purpose)
            = ($1, asked.subject_id, asked.purpose)
        JOIN consent_record AS record ON record.workspace_id = $1 AND record.seq = consent.seq
        JOIN consent_opening AS opening ON opening.workspace_id = $1 AND opening.seq = consent.seq
        """,
        workspace,
        [subject for subject, _ in asked],
        [purpose.value for _, purpose in asked],
        _NEWEST,
    )
    return {
        (row["subject_id"], Purpose(row["purpose"])): Standing(
            State(row["state"]),
            row["source"],
            row["at"],
            _word(row["subject_id"], read_record(row["leaf"]), row["signal"]),
            row["seq"],
            today=row["today"],
            is_overtaken=row["is_overtaken"],
        )
        for row in rows
    }


async def count_repeats(connection: Connection, workspace: UUID, repeated: Mapping[Key, Standing]) -> set[Key]:
    """Move stored words on to when they were last said. Returns those that are in force no more."""
    keys: Sequence[Key] = sorted(repeated)
    rows = await connection.fetch(
        """
        WITH held AS (
            SELECT consent.subject_id, consent.purpose, new.at, new.repeats
            FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[])
                AS new (subject_id, purpose, at, seq, repeats)
            JOIN consent ON (consent.workspace_id, consent.subject_id, consent.purpose, consent.seq)
                = ($1, new.subject_id, new.purpose, new.seq)
            ORDER BY consent.subject_id, consent.purpose FOR UPDATE OF consent
        )
        UPDATE consent SET at = greatest(consent.at, held.at), repeats = consent.repeats + held.repeats FROM held
        WHERE (consent.workspace_id, consent.subject_id, consent.purpose) = ($1, held.subject_id, held.purpose)
        RETURNING consent.subject_id, consent.purpose
        """,
        workspace,
        [subject for subject, _ in keys],
        [purpose.value for _, purpose in keys],
        [repeated[key].at for key in keys],
        [repeated[key].seq for key in keys],
        [repeated[key].repeats for key in keys],
    )
    return set(keys) - {(row["subject_id"], Purpose(row["purpose"])) for row in rows}


def _word(subject: UUID, record: Record, signal: bytes | None) -> Word:
    return Word(
        subject=subject,
        purpose=record.purpose,
        state=record.state,
        source=record.source,
        said_at=record.said_at,
        basis=record.basis,
        signal=signal,
        plan=record.plan,
        notice=record.notice,
    )
