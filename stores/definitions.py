"""The operators' side of a segment: what it is called and defined as. Builders apply it to people."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from stores.postgres import Connection
from stores.reads.segments import SegmentRow, segment_row

CHANNEL: Final = "segment_definition"
"""Notified with the workspace's id when its segments change."""

_RETURNED = "id, key, name, description, version, definition, status, error, created_at, updated_at"


class Draft(msgspec.Struct, frozen=True):
    """A segment as it shall be; None leaves what there is."""

    key: str
    name: str | None
    description: str | None
    definition: dict[str, Any] | None


async def find_for_update(connection: Connection, key: str) -> SegmentRow | None:
    """Find a segment, and keep others of the workspace from editing segments until the transaction ends."""
    await connection.execute(
        "UPDATE workspace SET definitions_version = definitions_version + 1 WHERE id = current_workspace()"
    )
    record = await connection.fetchrow(f"SELECT {_RETURNED} FROM segment WHERE key = $1 FOR UPDATE", key)  # noqa: S608 - a constant
    return segment_row(record) if record else None


async def read_all(connection: Connection) -> dict[str, Any]:
    """Read the definitions of all segments that are not being deleted, by key."""
    return dict(await connection.fetch("SELECT key, definition FROM segment WHERE status <> 'deleting'"))


async def create(connection: Connection, id: UUID, draft: Draft, now: datetime) -> SegmentRow:  # noqa: A002 - the column's name
    """Insert a segment that is to be built."""
    record = await connection.fetchrow(
        f"""
        INSERT INTO segment (
            workspace_id, id, key, name, description, version, definition, status, created_at, updated_at
        )
        VALUES (current_workspace(), $1, $2, $3, $4, 1, $5, 'building', $6, $6) RETURNING {_RETURNED}
        """,  # noqa: S608 - a constant
        id,
        draft.key,
        draft.name or draft.key,
        draft.description or "",
        draft.definition,
        now,
    )
    return segment_row(record)


async def rename(connection: Connection, id: UUID, draft: Draft, now: datetime) -> SegmentRow:  # noqa: A002 - the column's name
    """Change a segment's name and description; what defines it, and so its version, stays."""
    record = await connection.fetchrow(
        f"""
        UPDATE segment SET name = coalesce($2, name), description = coalesce($3, description), updated_at = $4
        WHERE id = $1 RETURNING {_RETURNED}
        """,  # noqa: S608 - a constant
        id,
        draft.name,
        draft.description,
        now,
    )
    return segment_row(record)


async def redefine(connection: Connection, id: UUID, draft: Draft, now: datetime) -> SegmentRow:  # noqa: A002 - the column's name
    """Replace a segment's definition, which then has to be built.

    While an earlier edit is still being built, or has failed, neither it nor the one before it is complete for
    everyone: each goes on serving the profiles that it serves, until the new build reaches them.
    """
    record = await connection.fetchrow(
        f"""
        UPDATE segment SET
            name = coalesce($2, name), description = coalesce($3, description), updated_at = $4,
            earlier = CASE
                WHEN status = 'live' THEN jsonb_build_array(
                    jsonb_build_object('definition', definition, 'version', version, 'through', NULL))
                WHEN built_through IS NULL THEN earlier
                ELSE jsonb_build_array(
                    jsonb_build_object('definition', definition, 'version', version, 'through', built_through)
                ) || jsonb_path_query_array(
                    earlier, '$[*] ? (@.through == null || @.through > $t)', jsonb_build_object('t', built_through))
            END,
            definition = $5, version = version + 1, status = 'building', built_through = NULL, error = NULL
        WHERE id = $1 RETURNING {_RETURNED}
        """,  # noqa: S608 - a constant
        id,
        draft.name,
        draft.description,
        now,
        draft.definition,
    )
    return segment_row(record)


async def mark_deleting(connection: Connection, id: UUID, now: datetime) -> SegmentRow:  # noqa: A002 - the column's name
    """Hand a segment to the builders to let its members out and then remove it."""
    record = await connection.fetchrow(
        f"UPDATE segment SET status = 'deleting', updated_at = $2 WHERE id = $1 RETURNING {_RETURNED}",  # noqa: S608 - a constant
        id,
        now,
    )
    return segment_row(record)


async def announce(connection: Connection, workspace: UUID) -> None:
    """Wake the builders once the transaction commits."""
    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, str(workspace))
