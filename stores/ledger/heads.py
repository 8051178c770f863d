"""Where ledgers end, what was signed of them, and how far their records have been told."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from privacy.chain import GENESIS
from privacy.ledger.checkpoint import Signer
from privacy.ledger.merkle import EMPTY_ROOT, Frontier
from stores.postgres import Connection

SIGN_EVERY: Final = timedelta(seconds=10)
SIGN_RECORDS: Final = 1_000


class Head(msgspec.Struct, frozen=True):
    """A ledger's size, the root of its tree, and the hash of its last record."""

    size: int
    root: bytes
    hash: bytes


class Told(msgspec.Struct, frozen=True):
    """A record that is to be told of, and the subject it is about unless they were erased."""

    seq: int
    leaf: bytes
    subject: UUID | None


async def read_head(connection: Connection, workspace: UUID) -> Head:
    """Read where a ledger ends. Raises `ValueError` for a stored head that is none."""
    row = await connection.fetchrow("SELECT size, hash, frontier FROM ledger_head WHERE workspace_id = $1", workspace)
    if row is None:
        return Head(0, EMPTY_ROOT, GENESIS)
    return Head(row["size"], Frontier(row["size"], row["frontier"]).root(), row["hash"])


async def read_checkpoint(connection: Connection, workspace: UUID) -> str | None:
    """Read the newest signed head."""
    note: str | None = await connection.fetchval(
        "SELECT note FROM ledger_checkpoint WHERE workspace_id = $1 ORDER BY size DESC LIMIT 1", workspace
    )
    return note


async def list_checkpoints(connection: Connection, workspace: UUID) -> list[tuple[int, str]]:
    """List every signed head with the size it is stored for, the smallest first."""
    rows = await connection.fetch(
        "SELECT size, note FROM ledger_checkpoint WHERE workspace_id = $1 ORDER BY size", workspace
    )
    return [(size, note) for size, note in rows]


async def sign_head(connection: Connection, workspace: UUID, signer: Signer, at: datetime) -> str:
    """Sign a ledger as it ends now, keep the signed head and return it."""
    head = await read_head(connection, workspace)
    note: str = await connection.fetchval(
        """
        WITH added AS (
            INSERT INTO ledger_checkpoint (workspace_id, size, note, at) VALUES ($1, $2, $3, $4)
            ON CONFLICT DO NOTHING RETURNING note
        )
        SELECT note FROM added
        UNION ALL SELECT note FROM ledger_checkpoint WHERE workspace_id = $1 AND size = $2
        LIMIT 1
        """,
        workspace,
        head.size,
        signer.sign(head.size, head.root),
        at,
    )
    return note


async def find_unsigned(connection: Connection, now: datetime) -> list[UUID]:
    """List the workspaces whose ledgers have grown for ten seconds, or by 1,000 records, since a head was signed."""
    rows = await connection.fetch(
        """
        SELECT head.workspace_id FROM ledger_head AS head
        LEFT JOIN LATERAL (
            SELECT size, at FROM ledger_checkpoint AS checkpoint
            WHERE checkpoint.workspace_id = head.workspace_id ORDER BY size DESC LIMIT 1
        ) AS signed ON true
        WHERE head.size > coalesce(signed.size, 0)
            AND (signed.at IS NULL OR signed.at <= $1 OR head.size - signed.size >= $2)
        """,
        now - SIGN_EVERY,
        SIGN_RECORDS,
    )
    return [row["workspace_id"] for row in rows]


async def try_own_notary(connection: Connection) -> bool:
    """Become the one who signs and tells, for as long as the session lasts, unless there is one."""
    owned: bool = await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended('notary', 0))")
    return owned


async def find_untold(connection: Connection) -> dict[UUID, int]:
    """Map the workspaces with records that have not been told to how far theirs have been."""
    rows = await connection.fetch(
        """
        SELECT head.workspace_id, coalesce(outlet.through, 0) AS through
        FROM ledger_head AS head LEFT JOIN ledger_outlet AS outlet USING (workspace_id)
        WHERE head.size > coalesce(outlet.through, 0)
        """
    )
    return dict(rows)


async def read_untold(connection: Connection, workspace: UUID, after: int, limit: int) -> list[Told]:
    """Read the records after one, in order. Until the transaction ends, none of these people can be erased."""
    rows = await connection.fetch(
        "SELECT seq, leaf FROM consent_record WHERE workspace_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        workspace,
        after,
        limit,
    )
    subjects: dict[int, UUID] = dict(
        await connection.fetch(
            """
            SELECT seq, subject_id FROM consent_opening WHERE workspace_id = $1 AND seq = ANY($2::bigint[])
            ORDER BY seq FOR KEY SHARE
            """,
            workspace,
            [row["seq"] for row in rows],
        )
    )
    return [Told(row["seq"], row["leaf"], subjects.get(row["seq"])) for row in rows]


async def save_told(connection: Connection, workspace: UUID, through: int) -> None:
    """Note that the records up to one have been told."""
    await connection.execute(
        """
        INSERT INTO ledger_outlet (workspace_id, through) VALUES ($1, $2)
        ON CONFLICT (workspace_id) DO UPDATE SET through = excluded.through
        """,
        workspace,
        through,
    )
