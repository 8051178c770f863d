"""Segments and who is in them, read for many at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.segment import SegmentStatus
from stores.postgres import Connection
from stores.reads.profiles import ProfileRow, profile_row

_COLUMNS = "segment.id, key, name, description, version, definition, status, error, created_at, updated_at"


class SegmentRow(msgspec.Struct, frozen=True):
    """One segment as its operators see it."""

    id: UUID
    key: str
    name: str
    description: str
    version: int
    definition: dict[str, Any]
    status: SegmentStatus
    error: str | None
    created_at: datetime
    updated_at: datetime


class Membership(msgspec.Struct, frozen=True):
    """That a profile is in a segment: since when, why, and until when if nothing else happens."""

    segment: SegmentRow
    entered_at: datetime
    expires_at: datetime | None
    cause: dict[str, Any]


class Members(msgspec.Struct, frozen=True):
    """`size` members of one segment in the order of their ids, after the profile `after`."""

    segment_id: UUID
    size: int
    after: UUID | None = None


def segment_row(record: asyncpg.Record) -> SegmentRow:
    """Make the row of a record that holds the columns of `segment`."""
    return SegmentRow(
        id=record["id"],
        key=record["key"],
        name=record["name"],
        description=record["description"],
        version=record["version"],
        definition=record["definition"],
        status=SegmentStatus(record["status"]),
        error=record["error"],
        created_at=record["created_at"],
        updated_at=record["updated_at"],
    )


async def by_ids(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, SegmentRow]:
    """Find segments by id."""
    records = await connection.fetch(f"SELECT {_COLUMNS} FROM segment WHERE id = ANY($1)", ids)  # noqa: S608 - a constant
    return {record["id"]: segment_row(record) for record in records}


async def by_keys(connection: Connection, keys: Sequence[str]) -> dict[str, SegmentRow]:
    """Find segments by key."""
    records = await connection.fetch(f"SELECT {_COLUMNS} FROM segment WHERE key = ANY($1)", keys)  # noqa: S608 - a constant
    return {record["key"]: segment_row(record) for record in records}


async def page(connection: Connection, size: int, after: str | None) -> list[SegmentRow]:
    """List `size` segments in the order of their keys, after the key `after`."""
    records = await connection.fetch(
        f"SELECT {_COLUMNS} FROM segment WHERE $1::text IS NULL OR key > $1 ORDER BY key LIMIT $2",  # noqa: S608 - a constant
        after,
        size,
    )
    return [segment_row(record) for record in records]


async def count(connection: Connection, at_most: int) -> int:
    """Count the segments, stopping at `at_most`."""
    found: int = await connection.fetchval("SELECT count(*) FROM (SELECT FROM segment LIMIT $1) AS counted", at_most)
    return found


async def sizes(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Count the members of segments, exactly."""
    records = await connection.fetch(
        "SELECT segment_id, count(*) AS n FROM membership WHERE segment_id = ANY($1) GROUP BY segment_id", ids
    )
    return {record["segment_id"]: record["n"] for record in records}


async def memberships(connection: Connection, profiles: Sequence[UUID]) -> dict[UUID, list[Membership]]:
    """List the segments that profiles are in, in the order of their keys."""
    records = await connection.fetch(
        f"""
        SELECT membership.profile_id, membership.entered_at, membership.expires_at, membership.cause, {_COLUMNS}
        FROM membership JOIN segment ON segment.id = membership.segment_id
        WHERE membership.profile_id = ANY($1) ORDER BY segment.key
        """,  # noqa: S608 - a constant
        profiles,
    )
    found: dict[UUID, list[Membership]] = {}
    for record in records:
        membership = Membership(
            segment=segment_row(record),
            entered_at=record["entered_at"],
            expires_at=record["expires_at"],
            cause=record["cause"],
        )
        found.setdefault(record["profile_id"], []).append(membership)
    return found


async def members(connection: Connection, wanted: Sequence[Members]) -> list[list[ProfileRow]]:
    """Read one list of profiles for each segment that is wanted, in their order."""
    records = await connection.fetch(
        """
        SELECT wanted.place, member.*
        FROM unnest($1::uuid[], $2::int[], $3::uuid[]) WITH ORDINALITY AS wanted (segment_id, size, after, place)
        CROSS JOIN LATERAL (
            SELECT profile.id, profile.version, traits, counters, first_seen_at, last_seen_at, restricted_at
            FROM membership JOIN profile ON profile.id = membership.profile_id
            WHERE membership.segment_id = wanted.segment_id
                AND membership.profile_id > coalesce(wanted.after, '00000000-0000-0000-0000-000000000000')
            ORDER BY membership.profile_id LIMIT wanted.size
        ) AS member
        ORDER BY wanted.place, member.id
        """,
        [each.segment_id for each in wanted],
        [each.size for each in wanted],
        [each.after for each in wanted],
    )
    found: list[list[ProfileRow]] = [[] for _ in wanted]
    for record in records:
        found[record["place"] - 1].append(profile_row(record))
    return found
