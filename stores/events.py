"""The history of events, and the message ids that have been taken."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.event import ProtectedEvent
from stores.postgres import Connection


class Happening(msgspec.Struct, frozen=True):
    """What a segment needs of a stored event."""

    profile_id: UUID
    message_id: str
    name: str
    """A track's own name, for the other calls their type."""
    at: datetime
    """The event's time, never after its receipt."""
    properties: dict[str, Any]


async def claim_messages(connection: Connection, workspace: UUID, events: Iterable[ProtectedEvent]) -> set[str]:
    """Mark message ids as built and return those that were not before, waiting for whoever is about to mark one."""
    received = {event.message_id: event.received_at for event in events}
    ids = sorted(received)
    rows = await connection.fetch(
        """
        INSERT INTO message_seen (workspace_id, message_id, received_at)
        SELECT $1, * FROM unnest($2::text[], $3::timestamptz[]) ON CONFLICT DO NOTHING RETURNING message_id
        """,
        workspace,
        ids,
        [received[each] for each in ids],
    )
    return {row["message_id"] for row in rows}


async def seen_messages(connection: Connection, workspace: UUID, messages: Collection[str]) -> set[str]:
    """Tell which of these message ids have been built."""
    rows = await connection.fetch(
        "SELECT message_id FROM message_seen WHERE workspace_id = $1 AND message_id = ANY($2)", workspace, messages
    )
    return {row["message_id"] for row in rows}


async def store_events(connection: Connection, workspace: UUID, events: Sequence[ProtectedEvent]) -> None:
    """Add events to the history."""
    await connection.execute(
        """
        INSERT INTO event (workspace_id, message_id, subject_id, type, name, at, received_at, original_at, sent_at,
            properties, traits, context, sealed, purposes, proofs)
        SELECT $1, message_id, subject_id, type, name, at, received_at, original_at, sent_at,
            properties, traits, context, sealed, purposes::text[], proofs::bigint[]
        FROM unnest($2::text[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
            $8::timestamptz[], $9::timestamptz[], $10::jsonb[], $11::jsonb[], $12::jsonb[], $13::jsonb[], $14::text[],
            $15::text[])
            AS new (message_id, subject_id, type, name, at, received_at, original_at, sent_at,
                properties, traits, context, sealed, purposes, proofs)
        """,
        workspace,
        [event.message_id for event in events],
        [event.subject for event in events],
        [event.type.value for event in events],
        [event.name for event in events],
        [event.at for event in events],
        [event.received_at for event in events],
        [event.original_at for event in events],
        [event.sent_at for event in events],
        [event.properties for event in events],
        [event.traits for event in events],
        [event.context for event in events],
        [event.sealed for event in events],
        ["{" + ",".join(event.purposes) + "}" for event in events],
        ["{" + ",".join(map(str, event.proofs)) + "}" for event in events],
    )


async def read_history(
    connection: Connection, workspace: UUID, profiles: Collection[UUID], names: Collection[str] | None, since: datetime
) -> list[Happening]:
    """Read the events of some profiles' subjects, by the names that segments know them by, newest first.

    Without `names` all of them.
    """
    rows = await connection.fetch(
        """
        SELECT profile_id, message_id, name, at, properties FROM (
            SELECT subject.profile_id, event.message_id,
                CASE event.type WHEN 'track' THEN event.name ELSE event.type END AS name,
                least(event.at, event.received_at) AS at, event.properties
            FROM subject JOIN event ON event.workspace_id = subject.workspace_id AND event.subject_id = subject.id
            WHERE subject.workspace_id = $1 AND subject.profile_id = ANY($2::uuid[]) AND event.at > $4
        ) AS happening
        WHERE ($3::text[] IS NULL OR name = ANY($3)) AND at > $4 ORDER BY at DESC
        """,
        workspace,
        list(profiles),
        None if names is None else list(names),
        since,
    )
    return [Happening(*row) for row in rows]
