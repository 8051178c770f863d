"""Workspaces: what everything else belongs to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.workspace import WorkspaceSettings
from stores.plans import add_plan
from stores.postgres import Connection


class WorkspaceRow(msgspec.Struct, frozen=True):
    """A stored workspace. `wrapped_key` opens only with the master key; `plan_version` is 0 without a plan.

    `key_stamp` is the number of changes to the versions of its keys.
    """

    id: UUID
    name: str
    wrapped_key: bytes
    plan_version: int
    settings: dict[str, Any]
    key_stamp: int = 0


async def create_workspace(
    connection: Connection, workspace: UUID, name: str, *, wrapped_key: bytes, plan: Mapping[str, Any], at: datetime
) -> None:
    """Store a workspace with its first tracking plan. The connection must be of the worker role."""
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO workspace (id, name, wrapped_key, created_at) VALUES ($1, $2, $3, $4)",
            workspace,
            name,
            wrapped_key,
            at,
        )
        await add_plan(connection, workspace, plan, at)


_READ = """
    SELECT id, name, wrapped_key,
           coalesce((SELECT max(version) FROM tracking_plan WHERE workspace_id = workspace.id), 0) AS plan_version,
           settings, key_stamp
    FROM workspace
"""

_READ_SETTINGS = "SELECT settings FROM workspace WHERE id = $1"
_LOCK_SETTINGS = f"{_READ_SETTINGS} FOR UPDATE"


async def read_workspace(connection: Connection, workspace: UUID) -> WorkspaceRow | None:
    """Read one workspace with the version of its newest plan; None when there is none of this id."""
    row = await connection.fetchrow(f"{_READ} WHERE id = $1", workspace)
    return None if row is None else WorkspaceRow(*row.values())


async def list_workspaces(connection: Connection) -> list[WorkspaceRow]:
    """Read every workspace, the oldest first. The connection must be of the worker role."""
    return [WorkspaceRow(*row.values()) for row in await connection.fetch(f"{_READ} ORDER BY created_at, id")]


async def find_workspace(connection: Connection, name: str) -> UUID | None:
    """Find the oldest workspace of a name. The connection must be of the worker role."""
    found: UUID | None = await connection.fetchval(
        "SELECT id FROM workspace WHERE name = $1 ORDER BY created_at LIMIT 1", name
    )
    return found


async def read_settings(connection: Connection, workspace: UUID, *, to_change: bool = False) -> WorkspaceSettings:
    """Read the settings of a workspace; `to_change` keeps others from changing them in the same transaction."""
    row = await connection.fetchrow(_LOCK_SETTINGS if to_change else _READ_SETTINGS, workspace)
    return msgspec.convert(row["settings"] if row else {}, WorkspaceSettings)


async def save_settings(connection: Connection, workspace: UUID, part: str, document: Any) -> None:
    """Replace one part of a workspace's settings."""
    await connection.execute(
        "UPDATE workspace SET settings = jsonb_set(settings, ARRAY[$2::text], $3) WHERE id = $1",
        workspace,
        part,
        document,
    )
