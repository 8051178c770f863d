"""What a sweep reads and takes away: data whose time is over, a bounded number of rows at once."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.alias import Alias, AliasKind
from domain.consent import Purpose
from domain.event import ProtectedEvent
from privacy.retention import StoredEvent
from stores.history import recorded_event
from stores.postgres import Connection

# Who has had their data restricted keeps it, for they may need it against us (GDPR, article 18).
_EVENTS: Final = """
    SELECT message_id, received_at, CASE type WHEN 'track' THEN name ELSE type END AS name, purposes,
        properties, traits, context, sealed
    FROM event WHERE workspace_id = $1 AND (received_at, message_id) > ($2, $3) AND received_at <= $4
        AND NOT EXISTS (
            SELECT FROM subject JOIN profile ON profile.workspace_id = $1 AND profile.id = subject.profile_id
            WHERE subject.workspace_id = $1 AND subject.id = event.subject_id AND profile.restricted_at IS NOT NULL
        )
    ORDER BY received_at, message_id LIMIT $5
"""

# A subject is spent when nothing of it is left and nothing it said must be remembered. A grant lapses with the data
# that it was for; a refusal or an objection protects whoever comes back, so it stays.
_SPENT: Final = """
    SELECT id, profile_id, NOT EXISTS (
            SELECT FROM event WHERE event.workspace_id = $1 AND event.subject_id = subject.id
        ) AND NOT EXISTS (
            SELECT FROM consent
            WHERE consent.workspace_id = $1 AND consent.subject_id = subject.id AND (state <> 'granted' OR at > $3)
        ) AND NOT EXISTS (
            SELECT FROM profile CROSS JOIN jsonb_each(profile.sealed) AS stated
            WHERE profile.workspace_id = $1 AND profile.id = subject.profile_id
                AND stated.value ->> 'subject' = subject.id::text
        ) AND NOT EXISTS (
            SELECT FROM statement WHERE statement.workspace_id = $1 AND statement.subject_id = subject.id
        ) AND NOT EXISTS (
            SELECT FROM profile WHERE profile.workspace_id = $1 AND profile.id = subject.profile_id
                AND coalesce(restricted_at, objected_at, limited_at) IS NOT NULL
        ) AND NOT EXISTS (
            SELECT FROM privacy_request AS request WHERE request.workspace_id = $1
                AND request.profile_id = subject.profile_id AND (finished_at IS NULL OR expires_at IS NOT NULL)
        ) AS spent,
        EXISTS (SELECT FROM alias WHERE alias.workspace_id = $1 AND alias.subject_id = subject.id) AS named
    FROM subject WHERE workspace_id = $1 AND id > $2 AND created_at <= $3 ORDER BY id LIMIT $4
"""

_OLD: Final = {
    "message_seen": "received_at < $1",
    "segment_change": "written_at < $1 AND position <= (SELECT published_through FROM publisher)",
    "dead_letter": "at < $1",
    "dropped_field": "last_seen_at < $1",
}
"""Tables that are cut off by age alone, with what is old in them."""

TABLES: Final = tuple(_OLD)


class Progress(msgspec.Struct, frozen=True):
    """How far one part of a sweep has come; `place` is None at the end."""

    plan_version: int
    place: Any
    begun_at: datetime


class Candidate(msgspec.Struct, frozen=True):
    """One subject whose creation lies further back than anything is kept."""

    id: UUID
    profile_id: UUID
    spent: bool
    named: bool
    """True while an identifier leads to it."""


class Stated(msgspec.Struct, frozen=True):
    """What was stated about one profile."""

    id: UUID
    traits: dict[str, dict[str, Any]]
    sealed: dict[str, dict[str, Any]]


async def try_own_part(connection: Connection, workspace: UUID | None, part: str) -> bool:
    """Become the one who sweeps this part for the rest of the transaction, unless there is one."""
    owned: bool = await connection.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtextextended('sweep:' || $1 || ':' || $2, 0))", str(workspace), part
    )
    return owned


async def read_progress(connection: Connection, workspace: UUID, part: str) -> Progress | None:
    """Read how far a part has come; None before its first step."""
    row = await connection.fetchrow(
        "SELECT plan_version, place, begun_at FROM sweep WHERE workspace_id = $1 AND part = $2", workspace, part
    )
    return None if row is None else Progress(*row)


async def save_progress(connection: Connection, workspace: UUID, part: str, progress: Progress) -> None:
    """Note how far a part has come."""
    await connection.execute(
        """
        INSERT INTO sweep (workspace_id, part, plan_version, place, begun_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (workspace_id, part) DO UPDATE SET
            plan_version = excluded.plan_version, place = excluded.place, begun_at = excluded.begun_at
        """,
        workspace,
        part,
        progress.plan_version,
        progress.place,
        progress.begun_at,
    )


async def events_after(
    connection: Connection, workspace: UUID, place: tuple[datetime, str], before: datetime, limit: int
) -> list[tuple[str, StoredEvent]]:
    """Read events in the order of their receipt, up to an instant: (message id, event)."""
    rows = await connection.fetch(_EVENTS, workspace, *place, before, limit)
    return [
        (
            row["message_id"],
            StoredEvent(
                name=row["name"],
                received_at=row["received_at"],
                purposes=frozenset(map(Purpose, row["purposes"])),
                properties=row["properties"],
                traits=row["traits"],
                context=row["context"],
                sealed=row["sealed"],
            ),
        )
        for row in rows
    ]


async def delete_events(
    connection: Connection, workspace: UUID, events: Sequence[tuple[str, StoredEvent]]
) -> list[ProtectedEvent]:
    """Remove events and return those that stated traits.

    How often each happened to whom stays, as the counters of their profiles do.
    """
    message_ids = [message_id for message_id, _ in events]
    received = [event.received_at for _, event in events]
    # First the people, as an erasure does, so that neither waits for the other in the middle.
    await connection.execute(
        """
        SELECT FROM subject WHERE workspace_id = $1 AND id IN (
            SELECT subject_id FROM event
            JOIN unnest($2::text[], $3::timestamptz[]) AS gone (message_id, received_at) USING (message_id, received_at)
            WHERE workspace_id = $1)
        ORDER BY id FOR KEY SHARE
        """,
        workspace,
        message_ids,
        received,
    )
    rows = await connection.fetch(
        """
        WITH gone AS (
            DELETE FROM event USING unnest($2::text[], $3::timestamptz[]) AS gone (message_id, received_at)
            WHERE workspace_id = $1 AND event.message_id = gone.message_id AND event.received_at = gone.received_at
            RETURNING event.message_id, subject_id, type, name, at, event.received_at, purposes, properties, traits,
                sealed
        ), counted AS (
            INSERT INTO event_tally AS tally (workspace_id, subject_id, name, many, first_at, last_at)
            SELECT $1, subject_id, CASE type WHEN 'track' THEN name ELSE type END AS key, count(*),
                min(least(at, received_at)), max(least(at, received_at)) FROM gone
            WHERE EXISTS (SELECT FROM subject WHERE subject.workspace_id = $1 AND subject.id = gone.subject_id)
            GROUP BY subject_id, key ORDER BY subject_id, key
            ON CONFLICT (workspace_id, subject_id, name) DO UPDATE SET many = tally.many + excluded.many,
                first_at = least(tally.first_at, excluded.first_at),
                last_at = greatest(tally.last_at, excluded.last_at)
        )
        SELECT * FROM gone WHERE type IN ('identify', 'group')
        """,
        workspace,
        message_ids,
        received,
    )
    return [recorded_event(workspace, row) for row in rows]


async def cut_events(connection: Connection, workspace: UUID, events: Sequence[tuple[str, StoredEvent]]) -> None:
    """Leave of events what these say."""
    await connection.execute(
        """
        UPDATE event SET properties = cut.properties, traits = cut.traits, context = cut.context, sealed = cut.sealed
        FROM unnest($2::text[], $3::timestamptz[], $4::jsonb[], $5::jsonb[], $6::jsonb[], $7::jsonb[])
            AS cut (message_id, received_at, properties, traits, context, sealed)
        WHERE workspace_id = $1 AND event.message_id = cut.message_id AND event.received_at = cut.received_at
        """,
        workspace,
        [message_id for message_id, _ in events],
        [event.received_at for _, event in events],
        [event.properties for _, event in events],
        [event.traits for _, event in events],
        [event.context for _, event in events],
        [event.sealed for _, event in events],
    )


async def stated_after(
    connection: Connection, workspace: UUID, after: UUID, before: datetime, limit: int
) -> list[Stated]:
    """List profiles in the order of their ids: those first seen before an instant, and not restricted."""
    rows = await connection.fetch(
        """
        SELECT id, traits, sealed FROM profile
        WHERE workspace_id = $1 AND id > $2 AND first_seen_at <= $3 AND merged_into IS NULL AND restricted_at IS NULL
        ORDER BY id LIMIT $4
        """,
        workspace,
        after,
        before,
        limit,
    )
    return [Stated(*row) for row in rows]


async def subjects_after(
    connection: Connection, workspace: UUID, after: UUID, before: datetime, limit: int
) -> list[Candidate]:
    """List subjects in the order of their ids, of those made before an instant."""
    rows = await connection.fetch(_SPENT, workspace, after, before, limit)
    return [Candidate(row["id"], row["profile_id"], row["spent"], row["named"]) for row in rows]


async def delete_aliases(connection: Connection, workspace: UUID, subjects: Collection[UUID]) -> list[Alias]:
    """Let no identifier lead to these subjects any more; return the identifiers' indexes."""
    gone: list[Alias] = []
    for _ in range(2):  # the first may have waited for a rotation, which has copied meanwhile what it waited for
        rows = await connection.fetch(
            "DELETE FROM alias WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[]) RETURNING kind, version, index",
            workspace,
            list(subjects),
        )
        gone += [Alias(AliasKind(kind), version, index) for kind, version, index in rows]
    return gone


async def delete_subjects(connection: Connection, workspace: UUID, subjects: Collection[UUID]) -> None:
    """Remove subjects with their data keys and all that hangs on them."""
    await connection.execute(
        "DELETE FROM subject WHERE workspace_id = $1 AND id = ANY($2::uuid[])", workspace, list(subjects)
    )


async def deserted_profiles(connection: Connection, workspace: UUID, profiles: Collection[UUID]) -> list[UUID]:
    """Name those of some profiles that no subject belongs to and nothing is known of."""
    rows = await connection.fetch(
        """
        SELECT id FROM profile
        WHERE workspace_id = $1 AND id = ANY($2::uuid[]) AND merged_into IS NULL AND traits = '{}' AND sealed = '{}'
            AND NOT EXISTS (SELECT FROM subject WHERE subject.workspace_id = $1 AND subject.profile_id = profile.id)
        """,
        workspace,
        list(profiles),
    )
    return [row["id"] for row in rows]


async def delete_profiles(connection: Connection, workspace: UUID, profiles: Collection[UUID]) -> None:
    """Remove locked profiles, and those that were merged into them."""
    await connection.execute(
        """
        WITH RECURSIVE gone AS (
            SELECT id FROM profile WHERE workspace_id = $1 AND id = ANY($2::uuid[])
            UNION
            SELECT profile.id FROM profile JOIN gone ON profile.merged_into = gone.id WHERE profile.workspace_id = $1
        )
        DELETE FROM profile USING gone WHERE profile.workspace_id = $1 AND profile.id = gone.id
        """,
        workspace,
        list(profiles),
    )


async def count_pages(connection: Connection, table: str) -> int:
    """Tell how many pages one of `TABLES` has."""
    pages: int = await connection.fetchval(
        "SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::int", table
    )
    return pages


async def delete_old(connection: Connection, table: str, before: datetime, first: int, pages: int) -> int:
    """Remove from so many pages of one of `TABLES` what is older than an instant; return how many rows there were.

    New rows come to lie where old ones lay, so no index on ranges of pages can tell where something old is, and one on
    rows would be written with every event, for what a walk through the table finds once a day.
    """
    status: str = await connection.execute(
        f"DELETE FROM {table} WHERE {_OLD[table]} AND ctid >= $2 AND ctid < $3",  # noqa: S608 - constants
        before,
        (first, 0),
        (first + pages, 0),
    )
    return int(status.rpartition(" ")[2])


async def count_old(connection: Connection, table: str, before: datetime) -> int:
    """Count the rows of one of `TABLES` that are older than an instant."""
    found: int = await connection.fetchval(f"SELECT count(*) FROM {table} WHERE {_OLD[table]}", before)  # noqa: S608 - constants
    return found


async def passed_offsets(connection: Connection, topic: str) -> dict[int, int]:
    """Tell, for each partition that anyone has read, the offset up to which every group has."""
    rows = await connection.fetch(
        "SELECT partition, min(next_offset) FROM consumer_offset WHERE topic = $1 GROUP BY partition", topic
    )
    return dict(rows)
