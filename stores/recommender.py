"""What gateways and trainers keep an eye on: the live model, the policy, the catalogue's newest change."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from stores.postgres import Connection


class Signs(msgspec.Struct, frozen=True):
    """Three marks: while they stay, nothing has to be loaded anew."""

    model: UUID | None
    policy_at: datetime | None
    items_at: datetime | None


class TrainerState(msgspec.Struct, frozen=True):
    """Where the trainer of a workspace stands."""

    gathered_through: datetime | None
    trained_at: datetime | None


async def read_signs(connection: Connection, workspace: UUID) -> Signs:
    """Read the marks of a workspace."""
    record = await connection.fetchrow(
        """
        SELECT (SELECT model_id FROM recommender_live WHERE workspace_id = $1) AS model,
            (SELECT updated_at FROM recommender_policy WHERE workspace_id = $1) AS policy_at,
            (SELECT max(updated_at) FROM item WHERE workspace_id = $1) AS items_at
        """,
        workspace,
    )
    return Signs(*record.values())


async def read_policy(connection: Connection, workspace: UUID) -> dict[str, Any]:
    """Read the policy's document; empty without one."""
    document = await connection.fetchval("SELECT document FROM recommender_policy WHERE workspace_id = $1", workspace)
    return document or {}


async def save_policy(connection: Connection, workspace: UUID, document: dict[str, Any], at: datetime) -> None:
    """Write the policy's document."""
    await connection.execute(
        """
        INSERT INTO recommender_policy VALUES ($1, $2, $3)
        ON CONFLICT (workspace_id) DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at
        """,
        workspace,
        document,
        at,
    )


async def read_trainer_state(connection: Connection, workspace: UUID) -> TrainerState:
    """Tell where the trainer stands."""
    record = await connection.fetchrow(
        """
        SELECT nullif(gathered_through, '-infinity'), trained_at FROM recommender_progress WHERE workspace_id = $1
        """,
        workspace,
    )
    return TrainerState(*record.values()) if record else TrainerState(None, None)


async def save_gathered(connection: Connection, workspace: UUID, through: datetime) -> None:
    """Note up to which receipt the catalogue has been gathered from events."""
    await connection.execute(
        """
        INSERT INTO recommender_progress (workspace_id, gathered_through) VALUES ($1, $2)
        ON CONFLICT (workspace_id) DO UPDATE SET gathered_through = excluded.gathered_through
        """,
        workspace,
        through,
    )


async def save_trained(connection: Connection, workspace: UUID, at: datetime) -> None:
    """Note when the last training that came to its end had begun."""
    await connection.execute(
        """
        INSERT INTO recommender_progress (workspace_id, trained_at) VALUES ($1, $2)
        ON CONFLICT (workspace_id) DO UPDATE SET trained_at = excluded.trained_at
        """,
        workspace,
        at,
    )


async def try_own_training(connection: Connection, workspace: UUID) -> bool:
    """Become the one trainer of a workspace for as long as the connection's session lasts, unless there is one."""
    owned: bool = await connection.fetchval(
        "SELECT pg_try_advisory_lock(hashtextextended('train ' || $1::text, 0))", str(workspace)
    )
    return owned
