"""Leaves that must be looked at because time has passed."""

from datetime import datetime
from uuid import UUID

import msgspec

from stores.postgres import Connection


class Due(msgspec.Struct, frozen=True):
    """One leaf of one profile whose instant has come."""

    workspace_id: UUID
    profile_id: UUID
    leaf: bytes
    at: datetime


async def due_leaves(connection: Connection, now: datetime, limit: int) -> list[Due]:
    """List what is due, the oldest first."""
    rows = await connection.fetch(
        """
        SELECT workspace_id, profile_id, leaf, due_at FROM leaf_state
        WHERE due_at <= $1 ORDER BY due_at LIMIT $2
        """,
        now,
        limit,
    )
    return [Due(*row) for row in rows]


async def next_due(connection: Connection) -> datetime | None:
    """Tell when the next leaf is due."""
    found: datetime | None = await connection.fetchval(
        "SELECT due_at FROM leaf_state WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1"
    )
    return found
