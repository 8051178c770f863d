"""Tracking plans, kept in every version."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from stores.postgres import Connection


class StoredPlan(msgspec.Struct, frozen=True):
    """One version of a workspace's plan, as it was written."""

    version: int
    document: dict[str, Any]
    created_at: datetime


async def add_plan(connection: Connection, workspace: UUID, document: Mapping[str, Any], at: datetime) -> int:
    """Store a plan as the workspace's newest and return its version; the gateways take it up within seconds."""
    version: int = await connection.fetchval(
        """
        INSERT INTO tracking_plan (workspace_id, version, document, created_at)
        SELECT $1, coalesce(max(version), 0) + 1, $2, $3 FROM tracking_plan WHERE workspace_id = $1
        RETURNING version
        """,
        workspace,
        document,
        at,
    )
    return version


async def hold_plans(connection: Connection, workspace: UUID) -> None:
    """Keep other plans from being added until the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('plan:' || $1, 0))", str(workspace))


async def read_plan(connection: Connection, workspace: UUID, version: int) -> dict[str, Any] | None:
    """Read one version of a workspace's plan."""
    document: dict[str, Any] | None = await connection.fetchval(
        "SELECT document FROM tracking_plan WHERE workspace_id = $1 AND version = $2", workspace, version
    )
    return document


async def read_newest_plan(connection: Connection, workspace: UUID) -> StoredPlan | None:
    """Read a workspace's plan as it is now; None before it has one."""
    row = await connection.fetchrow(
        "SELECT version, document, created_at FROM tracking_plan WHERE workspace_id = $1 ORDER BY version DESC LIMIT 1",
        workspace,
    )
    return None if row is None else StoredPlan(*row)
