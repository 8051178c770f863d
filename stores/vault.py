"""Tokens that stand for one field of one person. Only their hashes are kept, and they go when the person goes."""

from datetime import datetime
from uuid import UUID

import msgspec

from domain.consent import Purpose
from stores.postgres import Connection


class VaultToken(msgspec.Struct, frozen=True):
    """What a token stands for."""

    profile_id: UUID
    """Whoever carries the token's subject now."""
    path: str
    purpose: Purpose


async def add_token(
    connection: Connection,
    workspace: UUID,
    token_hash: bytes,
    *,
    subject: UUID,
    path: str,
    purpose: Purpose,
    at: datetime,
    expires_at: datetime,
) -> None:
    """Store a token, and forget some that have expired. The subject must exist."""
    await connection.execute(
        "INSERT INTO vault_token VALUES ($1, $2, $3, $4, $5, $6, $7)",
        workspace,
        token_hash,
        subject,
        path,
        purpose.value,
        at,
        expires_at,
    )
    await connection.execute(
        """
        DELETE FROM vault_token WHERE (workspace_id, hash) IN (
            SELECT workspace_id, hash FROM vault_token WHERE expires_at <= $1 ORDER BY expires_at LIMIT 100)
        """,
        at,
    )


async def find_token(connection: Connection, token_hash: bytes, now: datetime) -> VaultToken | None:
    """Find what a token stands for; None for one that is unknown or has expired."""
    row = await connection.fetchrow(
        """
        SELECT subject.profile_id, path, purpose
        FROM vault_token JOIN subject ON subject.id = subject_id
        WHERE hash = $1 AND expires_at > $2
        """,
        token_hash,
        now,
    )
    return VaultToken(row["profile_id"], row["path"], Purpose(row["purpose"])) if row else None
