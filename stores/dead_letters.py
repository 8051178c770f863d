"""Records that could not be built: read, corrected, and taken out once they are on the log again."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from stores.postgres import Connection

_COLUMNS = 'id, workspace_id, topic, partition, "offset", reason, value, at, fixed_at'
_LARGEST_ID: Final = 2**63 - 1


class DeadLetter(msgspec.Struct, frozen=True):
    """One of them. `workspace` is None where the record did not tell."""

    id: int
    workspace: UUID | None
    topic: str
    partition: int
    offset: int
    reason: str
    value: bytes
    at: datetime
    fixed_at: datetime | None


async def list_dead_letters(
    connection: Connection, workspace: UUID | None, limit: int, before: int | None = None
) -> list[DeadLetter]:
    """List the newest first, those before an id; of all workspaces where none is given and the role may see them."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM dead_letter
        WHERE ($1::uuid IS NULL OR workspace_id = $1) AND ($2::bigint IS NULL OR id < $2)
        ORDER BY id DESC LIMIT $3
        """,  # noqa: S608 - the columns are ours
        workspace,
        before,
        limit,
    )
    return [DeadLetter(*row) for row in rows]


async def lock_dead_letters(
    connection: Connection, workspace: UUID | None, ids: Collection[int]
) -> Sequence[DeadLetter]:
    """Read some of them, in the order of their burial, and keep others from them until the transaction ends.

    Ids that none has, as those that no column of ids holds, are left out.
    """
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM dead_letter
        WHERE ($1::uuid IS NULL OR workspace_id = $1) AND id = ANY($2::bigint[]) ORDER BY id FOR UPDATE
        """,  # noqa: S608 - as above
        workspace,
        [each for each in ids if each <= _LARGEST_ID],
    )
    return [DeadLetter(*row) for row in rows]


async def count_dead_letters(connection: Connection, workspace: UUID | None) -> int:
    """Count them."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM dead_letter WHERE $1::uuid IS NULL OR workspace_id = $1", workspace
    )
    return count


async def replace_value(connection: Connection, letter: int, value: bytes, at: datetime) -> None:
    """Put a corrected record in the place of one that is locked."""
    await connection.execute("UPDATE dead_letter SET value = $2, fixed_at = $3 WHERE id = $1", letter, value, at)


async def remove_dead_letters(connection: Connection, ids: Collection[int]) -> None:
    """Take out what is on the log again."""
    await connection.execute("DELETE FROM dead_letter WHERE id = ANY($1::bigint[])", list(ids))


async def take_unannounced(connection: Connection, limit: int) -> list[DeadLetter]:
    """Read the oldest that nobody was told of, and keep others from them until the transaction ends."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM dead_letter
        WHERE announced_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 - as above
        limit,
    )
    return [DeadLetter(*row) for row in rows]


async def note_announced(connection: Connection, ids: Collection[int], at: datetime) -> None:
    """Note that everybody who wants to know has been told."""
    await connection.execute("UPDATE dead_letter SET announced_at = $2 WHERE id = ANY($1::bigint[])", list(ids), at)
