"""The data keys of people, as a rotation of the key that wraps them sees them."""

from collections.abc import Collection
from uuid import UUID

import msgspec

from stores.postgres import Connection


class WrappedKey(msgspec.Struct, frozen=True):
    """The stored data key of one subject."""

    subject_id: UUID
    wrapped: bytes


async def count_wrapped_otherwise(connection: Connection, workspace: UUID, header: bytes) -> int:
    """Count the data keys that do not begin with `header`, which names an epoch."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM subject WHERE workspace_id = $1 AND substring(wrapped_key FOR $3) <> $2",
        workspace,
        header,
        len(header),
    )
    return found


async def take_wrapped_otherwise(
    connection: Connection, workspace: UUID, header: bytes, after: UUID, limit: int
) -> list[WrappedKey]:
    """Lock some data keys that do not begin with `header`, in the order of subjects; those that are locked wait.

    The lock lets events, aliases and consent of these people through.
    """
    rows = await connection.fetch(
        """
        SELECT id, wrapped_key FROM subject
        WHERE workspace_id = $1 AND id > $3 AND substring(wrapped_key FOR $5) <> $2
        ORDER BY id LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED
        """,
        workspace,
        header,
        after,
        limit,
        len(header),
    )
    return [WrappedKey(*row) for row in rows]


async def save_wrapped(connection: Connection, workspace: UUID, keys: Collection[WrappedKey]) -> None:
    """Store data keys that were taken in the same transaction, wrapped anew."""
    await connection.execute(
        """
        UPDATE subject SET wrapped_key = wrapped.key
        FROM unnest($2::uuid[], $3::bytea[]) AS wrapped (id, key)
        WHERE subject.workspace_id = $1 AND subject.id = wrapped.id
        """,
        workspace,
        [key.subject_id for key in keys],
        [key.wrapped for key in keys],
    )
