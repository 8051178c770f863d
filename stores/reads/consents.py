"""What a person has said, and the ledger's records of it, read by the person they are about."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from domain.consent import Purpose, State
from privacy.ledger.record import Record, read_record
from stores.postgres import Connection


class LastWord(msgspec.Struct, frozen=True):
    """The last word on one purpose over all subjects of a person; `seq` is its record, unless it is older than that."""

    purpose: Purpose
    state: State
    source: str
    at: datetime
    seq: int | None
    repeats: int
    """How often it was said again since its record."""


async def last_words(connection: Connection, profile: UUID) -> dict[Purpose, LastWord]:
    """Read the last word on each purpose; of two at the same instant the refusal counts."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (purpose) purpose, state, source, at, seq, repeats
        FROM subject
        JOIN consent ON consent.workspace_id = subject.workspace_id AND consent.subject_id = subject.id
        WHERE subject.profile_id = $1
        ORDER BY purpose, at DESC, state = 'granted'
        """,
        profile,
    )
    words = (LastWord(Purpose(row[0]), State(row[1]), *row[2:]) for row in rows)
    return {word.purpose: word for word in words}


async def controlled_purposes(connection: Connection, profile: UUID) -> set[Purpose]:
    """Tell what a person's Global Privacy Control refuses: under any of their subjects, and no later grant ends it."""
    rows = await connection.fetch(
        """
        SELECT purpose
        FROM subject
        JOIN consent ON consent.workspace_id = subject.workspace_id AND consent.subject_id = subject.id
        WHERE subject.profile_id = $1
        GROUP BY purpose
        HAVING max(at) FILTER (WHERE source = 'gpc' AND state <> 'granted')
            >= coalesce(max(at) FILTER (WHERE state = 'granted'), '-infinity')
        """,
        profile,
    )
    return {Purpose(row["purpose"]) for row in rows}


async def agreeing(connection: Connection, profiles: Sequence[UUID], purpose: Purpose) -> dict[UUID, bool]:
    """Name those of some people who let their data be used for a purpose: their last word on it grants it.

    Of someone who was never asked, as where a site's settings grant it, their newest page view was kept for it. Who
    objected, or is stored only, has not agreed.
    """
    rows = await connection.fetch(
        """
        SELECT asked.id
        FROM unnest($1::uuid[]) AS asked (id)
        LEFT JOIN profile USING (id)
        LEFT JOIN LATERAL (
            SELECT state = 'granted' AS granted
            FROM subject
            JOIN consent ON consent.workspace_id = subject.workspace_id AND consent.subject_id = subject.id
            WHERE subject.profile_id = asked.id AND consent.purpose = $2
            ORDER BY at DESC, state = 'granted' LIMIT 1
        ) AS said ON true
        LEFT JOIN LATERAL (
            SELECT $2 = ANY(view.purposes) AS granted
            FROM subject CROSS JOIN LATERAL (
                SELECT at, purposes FROM event
                WHERE event.workspace_id = subject.workspace_id AND event.subject_id = subject.id
                    AND event.type IN ('page', 'screen')
                ORDER BY at DESC LIMIT 1
            ) AS view
            WHERE said.granted IS NULL AND subject.profile_id = asked.id
            ORDER BY at DESC LIMIT 1
        ) AS seen ON true
        WHERE profile.restricted_at IS NULL AND profile.objected_at IS NULL
            AND coalesce(said.granted, seen.granted, false)
        """,
        profiles,
        purpose,
    )
    return {row["id"]: True for row in rows}


async def read_records(connection: Connection, profile: UUID, limit: int) -> list[Record]:
    """Read a person's records in the ledger, the newest first."""
    rows = await connection.fetch(
        """
        SELECT record.leaf
        FROM subject
        JOIN consent_opening AS opening
            ON opening.workspace_id = subject.workspace_id AND opening.subject_id = subject.id
        JOIN consent_record AS record ON record.workspace_id = opening.workspace_id AND record.seq = opening.seq
        WHERE subject.profile_id = $1 ORDER BY record.seq DESC LIMIT $2
        """,
        profile,
        limit,
    )
    return [read_record(row["leaf"]) for row in rows]


async def first_subject(connection: Connection, profile: UUID) -> UUID | None:
    """Name the subject that a word about a whole person is stored under: the first of its profile."""
    subject: UUID | None = await connection.fetchval(
        "SELECT id FROM subject WHERE profile_id = $1 ORDER BY created_at, id LIMIT 1", profile
    )
    return subject
