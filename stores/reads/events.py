"""The events of people, read for many at once and without anything sealed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.consent import Purpose
from domain.event import CallType
from stores.postgres import Connection


class EventRow(msgspec.Struct, frozen=True):
    """One stored event, its plain part."""

    profile_id: UUID | None
    """Whose it is now."""
    message_id: str
    type: CallType
    name: str
    at: datetime
    received_at: datetime
    properties: dict[str, Any]
    purposes: tuple[Purpose, ...]
    proofs: tuple[int, ...] = ()


class History(msgspec.Struct, frozen=True):
    """`size` events of one profile, the newest first, after one that stands at (`after_at`, `after_id`)."""

    profile_id: UUID
    size: int
    after_at: datetime | None = None
    after_id: str | None = None


async def histories(connection: Connection, wanted: Sequence[History]) -> list[list[EventRow]]:
    """Read one list for each that is wanted, in their order."""
    records = await connection.fetch(
        """
        SELECT wanted.place, wanted.profile_id, story.*
        FROM unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::text[])
            WITH ORDINALITY AS wanted (profile_id, size, after_at, after_id, place)
        CROSS JOIN LATERAL (
            SELECT newest.* FROM subject CROSS JOIN LATERAL (
                SELECT message_id, type, name, at, received_at, properties, purposes, proofs FROM event
                WHERE event.subject_id = subject.id
                    AND event.at <= coalesce(wanted.after_at, 'infinity')
                    AND (event.at < coalesce(wanted.after_at, 'infinity') OR event.message_id > wanted.after_id)
                ORDER BY event.at DESC, event.message_id LIMIT wanted.size
            ) AS newest
            WHERE subject.profile_id = wanted.profile_id
            ORDER BY newest.at DESC, newest.message_id LIMIT wanted.size
        ) AS story
        ORDER BY wanted.place, story.at DESC, story.message_id
        """,
        [each.profile_id for each in wanted],
        [each.size for each in wanted],
        [each.after_at for each in wanted],
        [each.after_id for each in wanted],
    )
    found: list[list[EventRow]] = [[] for _ in wanted]
    for record in records:
        found[record["place"] - 1].append(_row(record))
    return found


async def by_message_ids(connection: Connection, message_ids: Sequence[str]) -> dict[str, EventRow]:
    """Find events by their message ids; those of people whose data may not be used are not found."""
    records = await connection.fetch(
        """
        SELECT profile_id, message_id, type, name, at, received_at, properties, purposes, proofs
        FROM event LEFT JOIN subject ON subject.id = event.subject_id
        WHERE message_id = ANY($1) AND NOT EXISTS (
            SELECT FROM profile WHERE profile.id = subject.profile_id AND profile.restricted_at IS NOT NULL
        )
        """,
        message_ids,
    )
    return {record["message_id"]: _row(record) for record in records}


async def counts(connection: Connection, profiles: Sequence[UUID], at_most: int) -> dict[UUID, int]:
    """Count each profile's events, stopping at `at_most`."""
    records = await connection.fetch(
        """
        SELECT wanted.profile_id, counted.n FROM unnest($1::uuid[]) AS wanted (profile_id)
        CROSS JOIN LATERAL (
            SELECT count(*) AS n FROM (
                SELECT FROM subject JOIN event ON event.subject_id = subject.id
                WHERE subject.profile_id = wanted.profile_id LIMIT $2
            ) AS found
        ) AS counted
        """,
        profiles,
        at_most,
    )
    return {record["profile_id"]: record["n"] for record in records}


def _row(record: asyncpg.Record) -> EventRow:
    return EventRow(
        profile_id=record["profile_id"],
        message_id=record["message_id"],
        type=CallType(record["type"]),
        name=record["name"],
        at=record["at"],
        received_at=record["received_at"],
        properties=record["properties"],
        purposes=tuple(Purpose(purpose) for purpose in record["purposes"]),
        proofs=tuple(record["proofs"]),
    )
