"""What is known of the entries and exits of one profile, and of how segments come along."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.segment import ChangeKind
from stores.postgres import Connection


class MoveRow(msgspec.Struct, frozen=True):
    """One entry or exit."""

    id: int
    segment_id: UUID
    segment_key: str
    segment_version: int
    kind: ChangeKind
    at: datetime
    cause: dict[str, Any]


async def moves_of(
    connection: Connection, profile: UUID, segment_key: str | None, size: int, before: int | None
) -> list[MoveRow]:
    """List `size` moves of a profile, the newest first, before the one with the id `before`."""
    rows = await connection.fetch(
        """
        SELECT id, segment_id, segment_key, segment_version, kind, at, cause FROM segment_change
        WHERE profile_id = $1 AND ($2::text IS NULL OR segment_key = $2) AND ($3::bigint IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4
        """,
        profile,
        segment_key,
        before,
        size,
    )
    return [
        MoveRow(
            row["id"],
            row["segment_id"],
            row["segment_key"],
            row["segment_version"],
            ChangeKind(row["kind"]),
            row["at"],
            row["cause"],
        )
        for row in rows
    ]


async def last_moves(connection: Connection, segments: Sequence[UUID]) -> dict[UUID, datetime]:
    """Tell when segments were last entered or left."""
    rows = await connection.fetch(
        """
        SELECT wanted.id, newest.at FROM unnest($1::uuid[]) AS wanted (id) CROSS JOIN LATERAL (
            SELECT at FROM segment_change WHERE segment_id = wanted.id AND position IS NOT NULL
            ORDER BY position DESC LIMIT 1
        ) AS newest
        """,
        segments,
    )
    return dict(rows)


async def shares_built(connection: Connection, segments: Sequence[UUID]) -> dict[UUID, float]:
    """Tell which part of the profiles the builds of segments have reached; nothing of those that are not building."""
    rows = await connection.fetch(
        """
        SELECT segment.id, count(profile.id) FILTER (WHERE profile.id <= segment.built_through)::float
            / greatest(count(profile.id), 1)
        FROM segment LEFT JOIN profile ON profile.workspace_id = segment.workspace_id
        WHERE segment.id = ANY($1) AND segment.status = 'building' GROUP BY segment.id
        """,
        segments,
    )
    return dict(rows)
