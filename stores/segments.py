"""Segments as the builder needs them: their definitions, and how far a new definition has been applied."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.segment import SegmentStatus
from stores.postgres import Connection


class Earlier(msgspec.Struct, frozen=True):
    """A definition that was edited before its successor was built. Serves the profiles up to `through`; None: all."""

    definition: Any
    version: int
    through: UUID | None


class StoredSegment(msgspec.Struct, frozen=True):
    """One row. While `building`, or once that has `failed`, profiles up to `built_through` are on `definition`.

    The others are on the first of the `earlier` ones that has reached them.
    """

    id: UUID
    key: str
    version: int
    definition: Any
    earlier: tuple[Earlier, ...]
    status: SegmentStatus
    built_through: UUID | None


class Progress(msgspec.Struct, frozen=True):
    """What a transaction must know before it may use compiled definitions."""

    definitions_version: int
    built_through: dict[UUID, UUID | None]
    """For each segment that is building, or whose build has failed."""


_COLUMNS = "id, key, version, definition, earlier, status, built_through"


async def share_definitions(connection: Connection, workspace: UUID) -> None:
    """Hold the workspace's definitions still until the end of the transaction, together with whoever else does.

    Taken before any profile is locked, and before the definitions are read. A build takes it alone, so that no
    transaction that began on the old definition is still under way when a build looks which profiles there are.
    """
    await connection.execute(
        "SELECT pg_advisory_xact_lock_shared(hashtextextended('definitions:' || $1, 0))", str(workspace)
    )


async def hold_definitions(connection: Connection, workspace: UUID) -> None:
    """Hold the workspace's definitions alone until the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('definitions:' || $1, 0))", str(workspace))


async def try_own_segment(connection: Connection, segment: UUID) -> bool:
    """Become the one worker of a segment for the rest of the transaction, unless there is one."""
    owned: bool = await connection.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtextextended('build:' || $1, 0))", str(segment)
    )
    return owned


async def read_progress(connection: Connection, workspace: UUID) -> Progress | None:
    """Read the version of the definitions and the progress of builds; None for an unknown workspace."""
    rows = await connection.fetch(
        """
        SELECT definitions_version, segment.id, built_through FROM workspace
        LEFT JOIN segment ON segment.workspace_id = workspace.id AND segment.status IN ('building', 'failed')
        WHERE workspace.id = $1
        """,
        workspace,
    )
    if not rows:
        return None
    building = {row["id"]: row["built_through"] for row in rows if row["id"] is not None}
    return Progress(rows[0]["definitions_version"], building)


async def read_segments(connection: Connection, workspace: UUID) -> list[StoredSegment]:
    """Read all segments of a workspace."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM segment WHERE workspace_id = $1 ORDER BY id", workspace)  # noqa: S608 - a constant
    return [_segment(row) for row in rows]


async def read_segment(connection: Connection, workspace: UUID, segment: UUID) -> StoredSegment | None:
    """Read one segment and keep it from being edited until the end of the transaction."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM segment WHERE workspace_id = $1 AND id = $2 FOR UPDATE",  # noqa: S608 - a constant
        workspace,
        segment,
    )
    return _segment(row) if row else None


async def pending_segments(connection: Connection) -> list[tuple[UUID, UUID]]:
    """List (workspace, segment) of all that wait to be built or deleted, the longest waiting first."""
    rows = await connection.fetch(
        "SELECT workspace_id, id FROM segment WHERE status IN ('building', 'deleting') ORDER BY updated_at, id"
    )
    return [(row["workspace_id"], row["id"]) for row in rows]


async def live_definitions(connection: Connection) -> list[tuple[UUID, UUID, Any]]:
    """List (workspace, segment, definition) of all that are live."""
    rows = await connection.fetch("SELECT workspace_id, id, definition FROM segment WHERE status = 'live'")
    return [tuple(row) for row in rows]


async def save_built_through(connection: Connection, workspace: UUID, segment: UUID, profile: UUID) -> None:
    """Note that every profile up to this id is on the new definition."""
    await connection.execute(
        "UPDATE segment SET built_through = $3 WHERE workspace_id = $1 AND id = $2", workspace, segment, profile
    )


async def finish_segment(
    connection: Connection, workspace: UUID, segment: UUID, status: SegmentStatus, *, error: str | None, at: datetime
) -> None:
    """End a build, well or not, and let every builder read the definitions anew.

    One that failed leaves each profile on the definition that serves it.
    """
    await connection.execute(
        """
        UPDATE segment SET status = $3, error = $4, updated_at = $5,
            earlier = CASE $3 WHEN 'failed' THEN earlier ELSE '[]' END,
            built_through = CASE $3 WHEN 'failed' THEN built_through END
        WHERE workspace_id = $1 AND id = $2
        """,
        workspace,
        segment,
        status.value,
        error,
        at,
    )
    await raise_version(connection, workspace)


async def delete_segment(connection: Connection, workspace: UUID, segment: UUID) -> None:
    """Remove a segment whose members have all left."""
    await connection.execute("DELETE FROM segment WHERE workspace_id = $1 AND id = $2", workspace, segment)
    await raise_version(connection, workspace)


async def segment_members(connection: Connection, workspace: UUID, segment: UUID, limit: int) -> list[UUID]:
    """List some members in the order of their ids."""
    rows = await connection.fetch(
        """
        SELECT profile_id FROM membership WHERE workspace_id = $1 AND segment_id = $2 ORDER BY profile_id LIMIT $3
        """,
        workspace,
        segment,
        limit,
    )
    return [row["profile_id"] for row in rows]


async def forget_leaves(connection: Connection, workspace: UUID, kept: Collection[bytes], limit: int) -> int:
    """Remove up to `limit` states of leaves that no definition has any more; return how many there were."""
    removed: int = await connection.fetchval(
        """
        WITH gone AS (
            DELETE FROM leaf_state WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM leaf_state WHERE workspace_id = $1 AND NOT leaf = ANY($2::bytea[]) LIMIT $3))
            RETURNING profile_id
        ), touched AS (
            UPDATE profile SET version = version + 1 WHERE workspace_id = $1 AND id IN (SELECT profile_id FROM gone)
        )
        SELECT count(*) FROM gone
        """,
        workspace,
        list(kept),
        limit,
    )
    return removed


async def raise_version(connection: Connection, workspace: UUID) -> None:
    """Let every builder read anew what the workspace has defined."""
    await connection.execute(
        "UPDATE workspace SET definitions_version = definitions_version + 1 WHERE id = $1", workspace
    )


def _segment(row: Any) -> StoredSegment:
    return StoredSegment(
        row["id"],
        row["key"],
        row["version"],
        row["definition"],
        msgspec.convert(row["earlier"], tuple[Earlier, ...]),
        SegmentStatus(row["status"]),
        row["built_through"],
    )
