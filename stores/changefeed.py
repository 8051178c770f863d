"""Membership changes as they were published, and memberships as they stood at a position among them.

A position is given after commit by one publisher, so what is read here up to a position is complete.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from domain.segment import ChangeKind, SegmentChange
from stores.postgres import Connection

KEPT: Final = timedelta(days=7)
"""How long a published change can be read again, at least."""

_CHANGE = (
    "position, workspace_id, profile_id, profile_version, segment_id, segment_key, segment_version, kind, at, cause,"
    " traceparent"
)

decode_changes = msgspec.json.Decoder(list[SegmentChange]).decode
"""One message of the channel; raises `msgspec.DecodeError` or `msgspec.ValidationError`."""


class Standing(msgspec.Struct, frozen=True):
    """One membership as it stood."""

    profile_id: UUID
    profile_version: int
    segment_key: str
    segment_version: int
    entered_at: datetime
    cause: dict[str, Any]


class Snapshot(msgspec.Struct, frozen=True):
    """Memberships as they stood at `position`; of the segments in `cut` only the first are listed."""

    position: int
    standings: list[Standing]
    cut: list[str] = []


async def channel(connection: Connection) -> str:
    """Name the Redis channel of this database's published changes: JSON lists of `SegmentChange`."""
    stream: UUID = await connection.fetchval("SELECT stream FROM publisher")
    return f"tagway:segment-changes:{stream}"


async def head(connection: Connection) -> int:
    """Tell the newest position that was given, over all workspaces."""
    position: int = await connection.fetchval("SELECT last_position FROM publisher")
    return position


async def of_workspace(connection: Connection, after: int, through: int, limit: int) -> list[SegmentChange]:
    """Read the workspace's changes after one position up to another, the first `limit` of them."""
    records = await connection.fetch(
        f"SELECT {_CHANGE} FROM segment_change WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3",  # noqa: S608 - a constant
        after,
        through,
        limit,
    )
    return [_change(record) for record in records]


async def since(
    connection: Connection, after: int, profile: UUID | None, keys: Sequence[str] | None, limit: int
) -> list[SegmentChange]:
    """Read the first `limit` changes after a position, of one profile and of some segments or of any."""
    of_profile = "profile_id = $4" if profile else "$4::uuid IS NULL"
    records = await connection.fetch(
        f"""
        SELECT {_CHANGE} FROM segment_change
        WHERE position > $1 AND {of_profile} AND ($2::text[] IS NULL OR segment_key = ANY($2))
        ORDER BY position LIMIT $3
        """,  # noqa: S608 - constants
        after,
        keys,
        limit,
        profile,
    )
    return [_change(record) for record in records]


async def of_profile(
    connection: Connection, profile: UUID, keys: Sequence[str] | None, at: int | None = None
) -> Snapshot:
    """Read a profile's memberships as they stood at a position, by default the newest.

    What was committed since, published or not, is undone: it will arrive, or did, as a change after the position.
    """
    record = await connection.fetchrow(
        """
        WITH head AS (SELECT coalesce($3, last_position) AS position FROM publisher),
        later AS (
            SELECT DISTINCT ON (segment_id) segment_change.* FROM segment_change, head
            WHERE profile_id = $1 AND (segment_change.position IS NULL OR segment_change.position > head.position)
            ORDER BY segment_id, segment_change.position NULLS LAST, id
        ),
        standing AS (
            SELECT membership.profile_id, profile.version AS profile_version, segment.key AS segment_key,
                membership.segment_version, membership.entered_at, membership.cause
            FROM membership
            JOIN segment ON segment.id = membership.segment_id
            JOIN profile ON profile.id = membership.profile_id
            WHERE membership.profile_id = $1
                AND NOT EXISTS (SELECT FROM later WHERE later.segment_id = membership.segment_id AND kind = 'entered')
            UNION ALL
            SELECT profile_id, profile_version, segment_key, segment_version, at, cause FROM later
            WHERE kind = 'exited'
        )
        SELECT head.position, coalesce(jsonb_agg(to_jsonb(standing) ORDER BY standing.segment_key)
            FILTER (WHERE standing.profile_id IS NOT NULL), '[]') AS standings
        FROM head LEFT JOIN standing ON $2::text[] IS NULL OR standing.segment_key = ANY($2)
        GROUP BY head.position
        """,
        profile,
        keys,
        at,
    )
    return Snapshot(position=record["position"], standings=_standings(record))


async def of_segments(connection: Connection, keys: Sequence[str], at_most: int) -> Snapshot:
    """Read the members of segments as they stood at the newest position, `at_most` of each segment."""
    record = await connection.fetchrow(
        """
        WITH head AS (SELECT last_position AS position FROM publisher),
        later AS (
            SELECT DISTINCT ON (segment_id, profile_id) segment_change.* FROM segment_change, head
            WHERE segment_key = ANY($1)
                AND (segment_change.position IS NULL OR segment_change.position > head.position)
            ORDER BY segment_id, profile_id, segment_change.position NULLS LAST, id
        ),
        listed AS (
            SELECT member.* FROM segment CROSS JOIN LATERAL (
                SELECT membership.profile_id, profile.version AS profile_version, segment.key AS segment_key,
                    membership.segment_version, membership.entered_at, membership.cause, membership.segment_id
                FROM membership JOIN profile ON profile.id = membership.profile_id
                WHERE membership.segment_id = segment.id ORDER BY membership.profile_id LIMIT $2 + 1
            ) AS member
            WHERE segment.key = ANY($1)
        ),
        standing AS (
            SELECT profile_id, profile_version, segment_key, segment_version, entered_at, cause FROM listed
            WHERE NOT EXISTS (
                SELECT FROM later
                WHERE later.segment_id = listed.segment_id AND later.profile_id = listed.profile_id AND kind = 'entered'
            )
            UNION ALL
            SELECT profile_id, profile_version, segment_key, segment_version, at, cause FROM later
            WHERE kind = 'exited'
        )
        SELECT head.position, coalesce(jsonb_agg(to_jsonb(standing) ORDER BY segment_key, profile_id)
            FILTER (WHERE standing.profile_id IS NOT NULL), '[]') AS standings
        FROM head LEFT JOIN standing ON true GROUP BY head.position
        """,
        keys,
        at_most,
    )
    kept: dict[str, list[Standing]] = {}
    for standing in _standings(record):
        kept.setdefault(standing.segment_key, []).append(standing)
    return Snapshot(
        position=record["position"],
        standings=[standing for members in kept.values() for standing in members[:at_most]],
        cut=[key for key, members in kept.items() if len(members) > at_most],
    )


def _standings(record: asyncpg.Record) -> list[Standing]:
    return [msgspec.convert(each, Standing) for each in record["standings"]]


def _change(record: asyncpg.Record) -> SegmentChange:
    return SegmentChange(
        position=record["position"],
        workspace=record["workspace_id"],
        profile_id=record["profile_id"],
        profile_version=record["profile_version"],
        segment_id=record["segment_id"],
        segment_key=record["segment_key"],
        segment_version=record["segment_version"],
        kind=ChangeKind(record["kind"]),
        at=record["at"],
        cause=record["cause"],
        traceparent=record["traceparent"],
    )
