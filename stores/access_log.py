"""The log of looks at personal data. It only grows: its role may neither change nor remove an entry."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from domain.access import Access
from privacy.chain import GENESIS, follow
from stores.postgres import Connection


async def record_access(connection: Connection, workspace: UUID, accesses: Sequence[Access]) -> int:
    """Append entries and commit them; return the number of the last. Only then may the data leave.

    Must not run inside a transaction that could still be rolled back after the data has left.
    """
    async with connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('access_log/' || $1, 0))", str(workspace)
        )
        row = await connection.fetchrow(
            "SELECT seq, hash FROM access_log WHERE workspace_id = $1 ORDER BY seq DESC LIMIT 1", workspace
        )
        seq, previous = (row["seq"], row["hash"]) if row else (0, GENESIS)
        rows = []
        for access in accesses:
            seq += 1
            digest = follow(previous, entry_of(seq, access))
            rows.append(
                (
                    workspace,
                    seq,
                    access.at,
                    access.actor,
                    access.action,
                    access.profile_id,
                    list(access.fields),
                    access.purpose.value,
                    access.reason,
                    previous,
                    digest,
                )
            )
            previous = digest
        await connection.executemany(
            "INSERT INTO access_log VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", rows
        )
    return seq


def entry_of(seq: int, access: Access) -> dict[str, object]:
    """Give what is hashed of an entry."""
    return {"seq": seq, **msgspec.to_builtins(access)}
