"""The blind indexes of people, known and erased, as a rotation of the index key sees them."""

from collections.abc import Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from domain.alias import Alias, AliasKind
from stores.postgres import Connection


class IndexTable(StrEnum):
    """The tables that hold blind indexes."""

    ALIAS = "alias"
    SUPPRESSION = "suppression"


CARRIED: Final = MappingProxyType(
    {IndexTable.ALIAS: ("subject_id", "first_seen_at", "spelling"), IndexTable.SUPPRESSION: ("reason", "since")}
)
"""What a row has besides its index, and keeps."""

# An alias is taken together with its person, whom an erasure takes first: so neither waits for the other.
_TAKE: Final = {
    IndexTable.ALIAS: """
        SELECT alias.index FROM alias
        JOIN subject ON subject.workspace_id = alias.workspace_id AND subject.id = alias.subject_id
        WHERE alias.workspace_id = $1 AND alias.kind = $2 AND alias.version = $3 AND alias.index > $4
        ORDER BY alias.index LIMIT $5
        FOR KEY SHARE OF subject SKIP LOCKED FOR UPDATE OF alias SKIP LOCKED
    """,
    IndexTable.SUPPRESSION: """
        SELECT index FROM suppression
        WHERE workspace_id = $1 AND kind = $2 AND version = $3 AND index > $4
        ORDER BY index LIMIT $5 FOR UPDATE SKIP LOCKED
    """,
}


async def count_indexes(connection: Connection, workspace: UUID, table: IndexTable, version: int) -> int:
    """Count the rows of one version."""
    found: int = await connection.fetchval(
        f"SELECT count(*) FROM {table} WHERE workspace_id = $1 AND version = $2",  # noqa: S608 - one of ours
        workspace,
        version,
    )
    return found


async def count_missing(connection: Connection, workspace: UUID, table: IndexTable, version: int) -> int:
    """Tell how many rows of the version before `version` have none under it yet, as of one moment.

    True as long as nobody writes under `version` without writing under the one before, so only while it is coming.
    """
    found: int = await connection.fetchval(
        f"""
        SELECT count(*) FILTER (WHERE version = $2 - 1) - count(*) FILTER (WHERE version = $2)
        FROM {table} WHERE workspace_id = $1 AND version IN ($2, $2 - 1)
        """,  # noqa: S608 - one of ours
        workspace,
        version,
    )
    return found


async def take_indexes(
    connection: Connection, workspace: UUID, table: IndexTable, kind: AliasKind, version: int, after: bytes, limit: int
) -> list[Alias]:
    """Lock some rows of one kind and version, in the order of their indexes; those that are locked wait."""
    rows = await connection.fetch(_TAKE[table], workspace, kind, version, after, limit)
    return [Alias(kind, version, index) for (index,) in rows]


async def copy_indexes(
    connection: Connection, workspace: UUID, table: IndexTable, lifted: Sequence[tuple[Alias, Alias]]
) -> int:
    """Store rows that were taken in the same transaction under their lifted index too; count those that were not.

    All are of one kind and version.
    """
    if not lifted:
        return 0
    ordered = sorted(lifted, key=lambda pair: pair[1].index)
    before, after = ordered[0]
    carried = ", ".join(CARRIED[table])
    status: str = await connection.execute(
        f"""
        INSERT INTO {table} (workspace_id, kind, version, index, {carried})
        SELECT workspace_id, kind, $4, lifted.after, {carried}
        FROM unnest($5::bytea[], $6::bytea[]) AS lifted (before, after)
        JOIN {table} ON (workspace_id, kind, version, index) = ($1, $2, $3, lifted.before)
        ORDER BY lifted.after
        ON CONFLICT DO NOTHING
        """,  # noqa: S608 - ours throughout
        workspace,
        before.kind,
        before.version,
        after.version,
        [before.index for before, _ in ordered],
        [after.index for _, after in ordered],
    )
    return int(status.rpartition(" ")[2])


async def delete_indexes(connection: Connection, workspace: UUID, table: IndexTable, aliases: Sequence[Alias]) -> None:
    """Delete rows that were taken in the same transaction."""
    if not aliases:
        return
    await connection.execute(
        f"DELETE FROM {table} WHERE workspace_id = $1 AND kind = $2 AND version = $3 AND index = ANY($4)",  # noqa: S608 - one of ours
        workspace,
        aliases[0].kind,
        aliases[0].version,
        [alias.index for alias in aliases],
    )


async def carry_claims(connection: Connection, workspace: UUID, lifted: Sequence[tuple[Alias, Alias]]) -> None:
    """Let the ledger of claims name identifiers by their lifted indexes. All are of one kind and version."""
    if not lifted:
        return
    await connection.execute(
        """
        UPDATE claim SET version = $4, index = lifted.after
        FROM unnest($5::bytea[], $6::bytea[]) AS lifted (before, after)
        WHERE workspace_id = $1 AND kind = $2 AND version = $3 AND claim.index = lifted.before
        """,
        workspace,
        lifted[0][0].kind,
        lifted[0][0].version,
        lifted[0][1].version,
        [before.index for before, _ in lifted],
        [after.index for _, after in lifted],
    )


async def clear_claims(connection: Connection, workspace: UUID, version: int) -> None:
    """Take indexes of a version out of the ledger of claims: those of identifiers that nobody is known by."""
    await connection.execute(
        "UPDATE claim SET version = NULL, index = NULL WHERE workspace_id = $1 AND version = $2", workspace, version
    )
