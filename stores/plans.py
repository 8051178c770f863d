"""Tracking plans, kept in every version."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from stores.postgres import Connection


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


async def read_plan(connection: Connection, workspace: UUID, version: int) -> dict[str, Any] | None:
    """Read one version of a workspace's plan."""
    document: dict[str, Any] | None = await connection.fetchval(
        "SELECT document FROM tracking_plan WHERE workspace_id = $1 AND version = $2", workspace, version
    )
    return document
