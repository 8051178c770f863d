"""What the access log tells: page by page, and what one actor saw in some hours.

`page`, `count` and `earlier_ids` run on a connection of `Database.workspace`, where row-level security keeps to one
workspace; `seen_by` also across workspaces.
"""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from domain.access import Access
from domain.consent import Purpose
from stores.postgres import Connection


class Entry(msgspec.Struct, frozen=True):
    """One look, and its number in the log."""

    number: int
    access: Access


class Filter(msgspec.Struct, frozen=True):
    """Which looks are wanted; what is None does not narrow. `since` is within, `until` is not."""

    profiles: tuple[UUID, ...] | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Seen(msgspec.Struct, frozen=True):
    """What an actor saw of one person."""

    profile_id: UUID
    fields: tuple[str, ...]
    looks: int
    first_at: datetime
    last_at: datetime
    actions: tuple[str, ...]
    purposes: tuple[str, ...]


_MATCHES = """
    ($1::uuid[] IS NULL OR profile_id = ANY($1)) AND ($2::text IS NULL OR actor = $2)
    AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
"""


async def page(connection: Connection, wanted: Filter, size: int, before: int | None) -> list[Entry]:
    """List `size` looks, the newest first, from before the entry of a number on."""
    records = await connection.fetch(
        f"""
        SELECT seq, at, actor, action, profile_id, fields, purpose, reason FROM access_log
        WHERE {_MATCHES} AND ($5::bigint IS NULL OR seq < $5) ORDER BY seq DESC LIMIT $6
        """,  # noqa: S608 - a constant
        *_arguments(wanted),
        before,
        size,
    )
    return [_entry(record) for record in records]


async def count(connection: Connection, wanted: Filter, at_most: int) -> int:
    """Count the looks, stopping at `at_most`."""
    found: int = await connection.fetchval(
        f"SELECT count(*) FROM (SELECT FROM access_log WHERE {_MATCHES} LIMIT $5) AS counted",  # noqa: S608 - a constant
        *_arguments(wanted),
        at_most,
    )
    return found


async def earlier_ids(connection: Connection, profile: UUID) -> tuple[UUID, ...]:
    """Give the ids under which a person's data may have been looked at: the profile's, and of those merged into it."""
    records = await connection.fetch(
        """
        WITH RECURSIVE kin AS (
            SELECT $1::uuid AS id
            UNION
            SELECT profile.id FROM kin JOIN profile ON profile.merged_into = kin.id
        )
        SELECT id FROM kin
        """,
        profile,
    )
    return tuple(record["id"] for record in records)


async def seen_by(connection: Connection, workspace: UUID, actor: str, since: datetime, until: datetime) -> list[Seen]:
    """Tell whose data, and which of it, an actor saw from `since` to before `until`; who was seen first comes first."""
    records = await connection.fetch(
        """
        SELECT profile_id, array_agg(DISTINCT field ORDER BY field) AS fields, count(DISTINCT seq) AS looks,
            min(at) AS first_at, max(at) AS last_at,
            array_agg(DISTINCT action ORDER BY action) AS actions,
            array_agg(DISTINCT purpose ORDER BY purpose) AS purposes
        FROM access_log CROSS JOIN LATERAL unnest(fields) AS field
        WHERE workspace_id = $1 AND actor = $2 AND at >= $3 AND at < $4
        GROUP BY profile_id ORDER BY min(seq)
        """,
        workspace,
        actor,
        since,
        until,
    )
    return [
        Seen(
            profile_id=record["profile_id"],
            fields=tuple(record["fields"]),
            looks=record["looks"],
            first_at=record["first_at"],
            last_at=record["last_at"],
            actions=tuple(record["actions"]),
            purposes=tuple(record["purposes"]),
        )
        for record in records
    ]


def _arguments(wanted: Filter) -> tuple[object, ...]:
    profiles = None if wanted.profiles is None else list(wanted.profiles)
    return (profiles, wanted.actor, wanted.since, wanted.until)


def _entry(record: asyncpg.Record) -> Entry:
    access = Access(
        at=record["at"],
        actor=record["actor"],
        action=record["action"],
        profile_id=record["profile_id"],
        fields=tuple(record["fields"]),
        purpose=Purpose(record["purpose"]),
        reason=record["reason"],
    )
    return Entry(record["seq"], access)
