"""The versions of each workspace's keys, and the locks by which whoever writes under one knows that it is in force."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import msgspec

from domain.errors import StoreUnavailable
from domain.rotation import KeyState, KeyUse
from stores.faults import transaction
from stores.postgres import Connection


class StoredKey(msgspec.Struct, frozen=True):
    """One version. Without a `wrapped_key` it derives from the workspace's own key, or is destroyed."""

    use: KeyUse
    version: int
    state: KeyState
    wrapped_key: bytes | None
    changed_at: datetime | None
    """None for a first version that no rotation has touched."""


class StaleKeys(StoreUnavailable):
    """What was to be written is under keys that have been replaced. Nothing was changed: read the keys and try anew."""

    def __init__(self, stamp: int) -> None:
        super().__init__("The workspace's keys have just changed.")
        self.stamp = stamp


async def hold_keys(connection: Connection, workspace: UUID) -> int:
    """Hold a workspace's keys still until the end of the transaction, and return their stamp.

    Whoever writes aliases or suppressions holds them, and writes under what is in force at that stamp. Others hold
    them at the same time; only a rotation's next step waits. A workspace that is gone has the stamp 0.
    """
    stamp: int | None = await connection.fetchval("SELECT hold_keys($1)", workspace)
    return stamp or 0


async def read_stamp(connection: Connection, workspace: UUID) -> int:
    """Read the stamp of a workspace's keys, without holding them."""
    stamp: int = await connection.fetchval("SELECT key_stamp FROM workspace WHERE id = $1", workspace)
    return stamp


async def read_versions(connection: Connection, workspace: UUID) -> list[StoredKey]:
    """Read every version of every use, in order; the first of each is there even if it was never stored."""
    rows = await connection.fetch(
        """
        SELECT use, version, state, wrapped_key, changed_at FROM workspace_key WHERE workspace_id = $1
        ORDER BY use DESC, version
        """,
        workspace,
    )
    stored = [StoredKey(KeyUse(use), version, KeyState(state), key, at) for use, version, state, key, at in rows]
    first = [StoredKey(use, 1, KeyState.ACTIVE, None, None) for use in KeyUse]
    return [*(each for each in first if all(each.use is not known.use for known in stored)), *stored]


async def add_first_versions(
    connection: Connection, workspace: UUID, wrapped_keys: Collection[tuple[KeyUse, bytes | None]], at: datetime
) -> None:
    """Store the first version of each use, unless there is one."""
    await connection.executemany(
        """
        INSERT INTO workspace_key (workspace_id, use, version, wrapped_key, state, created_at, changed_at)
        VALUES ($1, $2, 1, $3, 'active', $4, $4) ON CONFLICT DO NOTHING
        """,
        [(workspace, use, wrapped_key, at) for use, wrapped_key in wrapped_keys],
    )


@asynccontextmanager
async def changing_keys(connection: Connection, workspace: UUID) -> AsyncIterator[None]:
    """Change versions in one transaction, once nobody holds the keys. Each change raises their stamp.

    Raises what `faults.transaction` does.
    """
    async with transaction(connection):
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('keys:' || $1, 0))", str(workspace))
        yield


async def add_version(
    connection: Connection, workspace: UUID, use: KeyUse, version: int, wrapped_key: bytes, at: datetime
) -> None:
    """Store a version that is coming. Call it inside `changing_keys`."""
    await add_first_versions(connection, workspace, [(use, None)], at)
    await connection.execute(
        """
        INSERT INTO workspace_key (workspace_id, use, version, wrapped_key, state, created_at, changed_at)
        VALUES ($1, $2, $3, $4, 'coming', $5, $5)
        """,
        workspace,
        use,
        version,
        wrapped_key,
        at,
    )
    await _raise_stamp(connection, workspace)


async def move_version(
    connection: Connection, workspace: UUID, use: KeyUse, version: int, state: KeyState, at: datetime
) -> None:
    """Take one version to another state. Call it inside `changing_keys`."""
    await connection.execute(
        """
        UPDATE workspace_key SET state = $4, changed_at = $5 WHERE workspace_id = $1 AND use = $2 AND version = $3
        """,
        workspace,
        use,
        version,
        state,
        at,
    )
    await _raise_stamp(connection, workspace)


async def destroy_versions(
    connection: Connection, workspace: UUID, use: KeyUse, retired_before: datetime, at: datetime
) -> list[int]:
    """Erase the keys of versions that were retired before a moment, and list them. Call it inside `changing_keys`.

    One that derives from the workspace's own key cannot be erased by itself, so it stays.
    """
    rows = await connection.fetch(
        """
        UPDATE workspace_key SET state = 'destroyed', wrapped_key = NULL, changed_at = $4
        WHERE workspace_id = $1 AND use = $2 AND state = 'retired' AND changed_at <= $3 AND wrapped_key IS NOT NULL
        RETURNING version
        """,
        workspace,
        use,
        retired_before,
        at,
    )
    if rows:
        await _raise_stamp(connection, workspace)
    return sorted(version for (version,) in rows)


async def list_moving(connection: Connection) -> list[tuple[str, KeyUse, int, KeyState]]:
    """List (workspace's name, use, version, state) of every version that a rotation under way brings in or lets go."""
    rows = await connection.fetch(
        """
        SELECT name, use, version, state FROM workspace_key JOIN workspace ON workspace.id = workspace_id
        WHERE state IN ('coming', 'leaving') ORDER BY name, use, version
        """
    )
    return [(name, KeyUse(use), version, KeyState(state)) for name, use, version, state in rows]


async def wrapped_by_master(connection: Connection) -> list[tuple[UUID, KeyUse | None, int, bytes]]:
    """List everything that the master key wraps: (workspace, use, version, wrapped key), its own key without a use."""
    rows = await connection.fetch(
        """
        SELECT id, NULL AS use, 0 AS version, wrapped_key FROM workspace
        UNION ALL
        SELECT workspace_id, use, version, wrapped_key FROM workspace_key WHERE wrapped_key IS NOT NULL
        """
    )
    return [(workspace, KeyUse(use) if use else None, version, wrapped) for workspace, use, version, wrapped in rows]


async def save_rewrapped_key(
    connection: Connection, workspace: UUID, use: KeyUse | None, version: int, *, before: bytes, after: bytes
) -> None:
    """Replace one wrapped key, unless it was replaced already."""
    if use is None:
        await connection.execute(
            "UPDATE workspace SET wrapped_key = $3 WHERE id = $1 AND wrapped_key = $2", workspace, before, after
        )
        return
    await connection.execute(
        """
        UPDATE workspace_key SET wrapped_key = $5
        WHERE workspace_id = $1 AND use = $2 AND version = $3 AND wrapped_key = $4
        """,
        workspace,
        use,
        version,
        before,
        after,
    )


async def _raise_stamp(connection: Connection, workspace: UUID) -> None:
    await connection.execute("UPDATE workspace SET key_stamp = key_stamp + 1 WHERE id = $1", workspace)
