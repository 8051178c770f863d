"""Reading what proofs are made of."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from domain.consent import Purpose
from privacy.ledger.checkpoint import Signer
from privacy.ledger.checkpoint import read_checkpoint as read_note
from privacy.ledger.merkle import TILE, Range, Tiles, inclusion_ranges, range_root, tiles_of
from privacy.ledger.proof import Evidence, Grant, Proof, signed
from privacy.ledger.record import Opening
from stores.ledger.heads import read_checkpoint, sign_head
from stores.postgres import Connection


async def prove_events(
    connection: Connection, workspace: UUID, message_ids: Sequence[str], signer: Signer, at: datetime
) -> Proof:
    """Gather and sign the proof of some events, as they are stored; those that are not stored are left out.

    Rests on the newest signed head, or on one that is signed now when a record is newer than that. A record whose
    person was erased has no opening any more, and proves nothing about the event.
    """
    rows = await connection.fetch(
        """
        SELECT message_id, subject_id, received_at, purposes, proofs FROM event
        WHERE workspace_id = $1 AND message_id = ANY($2::text[])
        """,
        workspace,
        list(message_ids),
    )
    seqs = sorted({seq for row in rows for seq in row["proofs"]})
    note = await read_checkpoint(connection, workspace)
    if note is None or read_note(note, signer.public_key).size < max(seqs, default=0):
        note = await sign_head(connection, workspace, signer, at)
    grants = await read_grants(connection, workspace, seqs, read_note(note, signer.public_key).size)
    place = {message_id: number for number, message_id in enumerate(message_ids)}
    events = sorted((signed(_evidence(row, grants), signer) for row in rows), key=lambda each: place[each.message_id])
    return Proof(public_key=signer.public_key, checkpoint=note, events=tuple(events))


async def read_grants(connection: Connection, workspace: UUID, seqs: Sequence[int], size: int) -> dict[int, Grant]:
    """Read records that have an opening, with their paths to the root of the tree of that size."""
    rows = await connection.fetch(
        """
        SELECT seq, leaf, subject_id, salt, signal
        FROM consent_record JOIN consent_opening USING (workspace_id, seq)
        WHERE workspace_id = $1 AND seq = ANY($2::bigint[]) AND seq <= $3
        """,
        workspace,
        list(seqs),
        size,
    )
    parts = {row["seq"]: inclusion_ranges(row["seq"] - 1, size) for row in rows}
    tiles = await read_tiles(connection, workspace, (part for path in parts.values() for part in path))
    return {
        row["seq"]: Grant(
            row["leaf"].decode(),
            Opening(row["subject_id"], row["salt"], row["signal"]),
            tuple(range_root(part, tiles.read) for part in parts[row["seq"]]),
        )
        for row in rows
    }


async def read_tiles(connection: Connection, workspace: UUID, parts: Iterable[Range]) -> Tiles:
    """Read the stored hashes that the roots over some parts of the tree are made from.

    Hashes are asked for one by one: joined by ranges of them, Postgres would compare each range with the whole table.
    """
    wanted = sorted(tiles_of(parts))
    leaves = await connection.fetch(
        """
        SELECT record.seq - 1 AS index, record.hash
        FROM unnest($2::bigint[]) AS tile (start) CROSS JOIN generate_series(tile.start + 1, tile.start + $3) AS asked
        JOIN consent_record AS record ON record.workspace_id = $1 AND record.seq = asked
        """,
        workspace,
        [number * TILE for level, number in wanted if level == 0],
        TILE,
    )
    nodes = await connection.fetch(
        """
        SELECT node.level, node.index, node.hash
        FROM unnest($2::smallint[], $3::bigint[]) AS tile (level, start)
        CROSS JOIN generate_series(tile.start, tile.start + $4 - 1) AS asked
        JOIN ledger_node AS node ON (node.workspace_id, node.level, node.index) = ($1, tile.level, asked)
        """,
        workspace,
        [level for level, _ in wanted if level],
        [number * TILE for level, number in wanted if level],
        TILE,
    )
    stored: dict[tuple[int, int], bytes] = {(0, index): hash_ for index, hash_ in leaves}
    stored.update({(level, index): hash_ for level, index, hash_ in nodes})
    return Tiles(stored)


async def read_rows(connection: Connection, workspace: UUID, after: int, limit: int) -> list[tuple[int, bytes, bytes]]:
    """Read the number, leaf and hash of the records after one, in order."""
    rows: list[tuple[int, bytes, bytes]] = await connection.fetch(
        "SELECT seq, leaf, hash FROM consent_record WHERE workspace_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        workspace,
        after,
        limit,
    )
    return rows


async def read_nodes(connection: Connection, workspace: UUID) -> dict[tuple[int, int], bytes]:
    """Read every stored subtree: (level, index) → root."""
    rows = await connection.fetch("SELECT level, index, hash FROM ledger_node WHERE workspace_id = $1", workspace)
    return {(level, index): hash_ for level, index, hash_ in rows}


def _evidence(row: asyncpg.Record, grants: dict[int, Grant]) -> Evidence:
    purposes = tuple(Purpose(purpose) for purpose in row["purposes"])
    seqs = row["proofs"] or [0] * (purposes == (Purpose.NECESSARY,))
    return Evidence(
        row["message_id"], row["subject_id"], row["received_at"], purposes, tuple(grants.get(seq) for seq in seqs)
    )
