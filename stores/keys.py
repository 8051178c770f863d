"""API keys, stored as hashes: the value is shown once, when the key is made."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat

from domain.key import ApiKey, KeyKind, Scope
from domain.pace import MOST_EVENTS, Pace
from stores.postgres import Connection

_HINT_LENGTH = 16
_COLUMNS = "id, workspace_id, kind, name, scopes, origins, events_per_second, events_at_once"


def hash_key(value: str) -> bytes:
    """SHA-256 of a key's value. Keys are long and random, so neither salt nor stretching is needed."""
    return hashlib.sha256(value.encode()).digest()


async def create_key(
    connection: Connection,
    workspace: UUID,
    kind: KeyKind,
    name: str,
    *,
    scopes: Iterable[Scope] = (),
    origins: Iterable[str] = (),
    pace: Pace | None = None,
    at: datetime,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its value, which is not kept: a lost value means a new key."""
    value = f"tagway_{kind}_{secrets.token_urlsafe(24)}"
    row = await connection.fetchrow(
        f"""
        INSERT INTO api_key (
            id, workspace_id, kind, name, hash, hint, scopes, origins, created_at, events_per_second, events_at_once
        ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - a constant list of columns
        uuid_utils.compat.uuid7(),
        workspace,
        kind,
        name,
        hash_key(value),
        value[:_HINT_LENGTH],
        sorted(scopes),
        sorted(origins),
        at,
        pace and pace.a_second,
        pace and pace.at_once,
    )
    return _key(row), value


async def find_key(connection: Connection, value: str) -> ApiKey | None:
    """Find the key of this value that has not been revoked, whatever its workspace.

    Row-level security shows a key to whoever presents its hash, so no workspace needs to be known before.
    """
    digest = hash_key(value)
    async with connection.transaction():
        await connection.execute("SELECT set_config('tagway.key_hash', $1, true)", digest.hex())
        row = await connection.fetchrow(
            f"SELECT {_COLUMNS} FROM api_key WHERE hash = $1 AND revoked_at IS NULL",  # noqa: S608 - constant columns
            digest,
        )
    return None if row is None else _key(row)


async def list_keys(connection: Connection, workspace: UUID) -> list[ApiKey]:
    """List a workspace's keys that have not been revoked, oldest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM api_key WHERE workspace_id = $1 AND revoked_at IS NULL ORDER BY created_at, id",  # noqa: S608 - constant columns
        workspace,
    )
    return [_key(row) for row in rows]


async def set_pace(connection: Connection, workspace: UUID, key: UUID, pace: Pace | None) -> bool:
    """Give a key a pace of its own, or with None that of all again. False when there is no such key in use."""
    changed = await connection.fetchval(
        """
        UPDATE api_key SET events_per_second = $3, events_at_once = $4
        WHERE workspace_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING id
        """,
        workspace,
        key,
        pace and pace.a_second,
        pace and pace.at_once,
    )
    return changed is not None


async def revoke_key(connection: Connection, workspace: UUID, key: UUID, at: datetime) -> bool:
    """Revoke a key; gateways stop taking it within seconds. False when there was none to revoke."""
    revoked = await connection.fetchval(
        "UPDATE api_key SET revoked_at = $3 WHERE workspace_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING id",
        workspace,
        key,
        at,
    )
    return revoked is not None


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=row["id"],
        workspace=row["workspace_id"],
        kind=KeyKind(row["kind"]),
        name=row["name"],
        scopes=frozenset(map(Scope, row["scopes"])),
        origins=tuple(row["origins"]),
        # A key of an earlier version may say less.
        pace=row["events_per_second"] and Pace(row["events_per_second"], max(MOST_EVENTS, row["events_at_once"])),
    )
