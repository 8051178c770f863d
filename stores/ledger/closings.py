"""Marking records whose opening goes with their person, and reading those that have none."""

from collections.abc import Collection
from uuid import UUID

from privacy.ledger.closing import Closed, mark_closed
from stores.postgres import Connection


async def close_records(connection: Connection, workspace: UUID, subjects: Collection[UUID], key: bytes) -> None:
    """Mark the records about some subjects, who are removed by the same transaction; nothing is added to theirs now.

    `key` is that of `closing_key`.
    """
    gone = sorted(subjects)
    await connection.execute(
        "SELECT FROM subject WHERE workspace_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE", workspace, gone
    )
    rows = await connection.fetch(
        "SELECT seq FROM consent_opening WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[]) ORDER BY seq",
        workspace,
        gone,
    )
    seqs = [row["seq"] for row in rows]
    await connection.execute(
        """
        INSERT INTO ledger_closing (workspace_id, seq, mark) SELECT $1, * FROM unnest($2::bigint[], $3::bytea[])
        ON CONFLICT DO NOTHING
        """,
        workspace,
        seqs,
        [mark_closed(key, seq) for seq in seqs],
    )


async def read_closed(connection: Connection, workspace: UUID, after: int, limit: int) -> list[Closed]:
    """Read the records after one that have no opening, in order."""
    rows = await connection.fetch(
        """
        SELECT record.seq, closing.mark FROM consent_record AS record
        LEFT JOIN consent_opening AS opening USING (workspace_id, seq)
        LEFT JOIN ledger_closing AS closing USING (workspace_id, seq)
        WHERE record.workspace_id = $1 AND record.seq > $2 AND opening.seq IS NULL ORDER BY record.seq LIMIT $3
        """,
        workspace,
        after,
        limit,
    )
    return [Closed(row["seq"], row["mark"]) for row in rows]


async def closed_after(connection: Connection, workspace: UUID) -> int:
    """Tell up to which record openings may be gone without a mark: those from before there were any."""
    found: int | None = await connection.fetchval(
        "SELECT closed_after FROM ledger_head WHERE workspace_id = $1", workspace
    )
    return found or 0
