"""The registry of trained models: every version with its report, the arrays of the last few, and which one is live."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
import msgspec

from stores.postgres import Connection

KEPT: Final = 3
"""Published versions whose arrays are kept, the live one always among them."""

_SLICE: Final = 4 * 1024 * 1024
_COLUMNS: Final = "id, version, status, report, hash, trained_through, created_at, rolled_back_at"
_ROLL_BACK: Final = """
    WITH live AS (
        SELECT model.id, model.version FROM recommender_live
        JOIN recommender_model AS model USING (workspace_id)
        WHERE recommender_live.workspace_id = $1 AND model.id = recommender_live.model_id FOR UPDATE OF recommender_live
    ), wanted AS (
        SELECT model.id, model.version FROM recommender_model AS model, live
        WHERE model.workspace_id = $1 AND model.status = 'published' AND model.id <> live.id
            AND CASE WHEN $3::int IS NULL
                THEN model.version < live.version AND model.rolled_back_at IS NULL ELSE model.version = $3 END
            AND EXISTS (SELECT FROM recommender_part WHERE workspace_id = $1 AND model_id = model.id)
        ORDER BY model.version DESC LIMIT 1
    ), noted AS (
        UPDATE recommender_model AS model
        SET rolled_back_at = CASE WHEN model.id = live.id AND wanted.version < live.version THEN $2::timestamptz END
        FROM live, wanted WHERE model.workspace_id = $1 AND model.id IN (live.id, wanted.id)
    )
    UPDATE recommender_live SET model_id = wanted.id, since = $2 FROM wanted
    WHERE recommender_live.workspace_id = $1 RETURNING model_id
"""

Status = Literal["published", "refused"]


class ModelRow(msgspec.Struct, frozen=True):
    """One version of a model, without its arrays."""

    id: UUID
    version: int
    status: Status
    report: dict[str, Any]
    hash: bytes
    trained_through: datetime
    created_at: datetime
    rolled_back_at: datetime | None = None
    """Since when it is no more what a rollback would go to."""


async def add_model(connection: Connection, workspace: UUID, row: ModelRow, packed: bytes | None) -> ModelRow:
    """Write a model under the workspace's next version (that of `row` is ignored), with its arrays if it has any."""
    version: int = await connection.fetchval(
        """
        INSERT INTO recommender_model (workspace_id, id, version, status, report, hash, trained_through, created_at)
        SELECT $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5, $6, $7
        FROM recommender_model WHERE workspace_id = $1 RETURNING version
        """,
        workspace,
        row.id,
        row.status,
        row.report,
        row.hash,
        row.trained_through,
        row.created_at,
    )
    for place, data in enumerate(_slices(packed or b"")):
        await connection.execute("INSERT INTO recommender_part VALUES ($1, $2, $3, $4)", workspace, row.id, place, data)
    return msgspec.structs.replace(row, version=version)


async def go_live(connection: Connection, workspace: UUID, model: UUID, at: datetime) -> None:
    """Point everyone at a model, and drop the arrays of all but the newest few. Gateways follow within a second."""
    await connection.execute(
        """
        INSERT INTO recommender_live VALUES ($1, $2, $3)
        ON CONFLICT (workspace_id) DO UPDATE SET model_id = excluded.model_id, since = excluded.since
        """,
        workspace,
        model,
        at,
    )
    await connection.execute(
        """
        DELETE FROM recommender_part WHERE workspace_id = $1 AND model_id NOT IN (
            SELECT id FROM recommender_model
            WHERE workspace_id = $1 AND status = 'published' AND rolled_back_at IS NULL ORDER BY version DESC LIMIT $2
        ) AND model_id <> $3
        """,
        workspace,
        KEPT,
        model,
    )


async def roll_back(
    connection: Connection, workspace: UUID, at: datetime, version: int | None = None
) -> ModelRow | None:
    """Make the published version before the live one live again, or the one that is named.

    A version that was left for an earlier one is passed over by later rollbacks, unless it is named. Returns None when
    there is no such version with its arrays.
    """
    earlier = await connection.fetchval(_ROLL_BACK, workspace, at, version)
    return None if earlier is None else await _find(connection, workspace, earlier)


async def last_rolled_back(connection: Connection, workspace: UUID) -> ModelRow | None:
    """Tell which of the versions that were rolled back knows the newest event."""
    record = await connection.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM recommender_model WHERE workspace_id = $1 AND rolled_back_at IS NOT NULL
        ORDER BY trained_through DESC, version DESC LIMIT 1
        """,  # noqa: S608 - a constant
        workspace,
    )
    return _row(record) if record else None


async def live_model(connection: Connection, workspace: UUID) -> ModelRow | None:
    """Tell which model is live."""
    record = await connection.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM recommender_model WHERE workspace_id = $1
            AND id = (SELECT model_id FROM recommender_live WHERE workspace_id = $1)
        """,  # noqa: S608 - a constant
        workspace,
    )
    return _row(record) if record else None


async def newest_live(connection: Connection, most: int) -> list[UUID]:
    """Name the workspaces whose live models were made last, the newest first. Needs the worker role."""
    records = await connection.fetch(
        """
        SELECT workspace_id FROM recommender_live JOIN recommender_model USING (workspace_id)
        WHERE recommender_model.id = recommender_live.model_id ORDER BY created_at DESC LIMIT $1
        """,
        most,
    )
    return [record["workspace_id"] for record in records]


async def list_models(connection: Connection, workspace: UUID, first: int) -> list[ModelRow]:
    """List the newest versions, the refused ones too."""
    records = await connection.fetch(
        f"SELECT {_COLUMNS} FROM recommender_model WHERE workspace_id = $1 ORDER BY version DESC LIMIT $2",  # noqa: S608 - a constant
        workspace,
        first,
    )
    return [_row(record) for record in records]


async def read_arrays(connection: Connection, workspace: UUID, model: UUID) -> list[bytes]:
    """Read a model's arrays in the slices they are kept in; none when they are kept no more."""
    slices: list[bytes] = []
    while True:
        data = await connection.fetchval(
            "SELECT data FROM recommender_part WHERE workspace_id = $1 AND model_id = $2 AND place = $3",
            workspace,
            model,
            len(slices),
        )
        if data is None:
            return slices
        slices.append(data)


async def _find(connection: Connection, workspace: UUID, model: UUID) -> ModelRow:
    record = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM recommender_model WHERE workspace_id = $1 AND id = $2",  # noqa: S608 - a constant
        workspace,
        model,
    )
    return _row(record)


def _slices(packed: bytes) -> Iterator[bytes]:
    for start in range(0, len(packed), _SLICE):
        yield packed[start : start + _SLICE]


def _row(record: asyncpg.Record) -> ModelRow:
    return ModelRow(*(record[name] for name in _COLUMNS.split(", ")))
