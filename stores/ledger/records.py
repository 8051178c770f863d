"""Appending to the consent ledger, and what is kept beside it to find the records of a person."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from domain.consent import Purpose
from privacy.ledger.merkle import Frontier, leaf_hash
from privacy.ledger.record import SALT_LENGTH, Word, write_record
from stores.postgres import Connection

MOST_CLAIMS: Final = 20
"""How many signals of one person are recorded for one purpose in a day. A site has one, and another when it changes."""

_LOCK = "SELECT size, hash, frontier, clock_timestamp() AS now FROM ledger_head WHERE workspace_id = $1 FOR UPDATE"

_APPEND = """
    WITH record AS (
        INSERT INTO consent_record (workspace_id, seq, leaf, hash)
        SELECT $1, * FROM unnest($2::bigint[], $3::bytea[], $4::bytea[])
    ), opening AS (
        INSERT INTO consent_opening (workspace_id, seq, subject_id, salt, signal)
        SELECT $1, * FROM unnest($2::bigint[], $5::uuid[], $6::bytea[], $7::bytea[])
    ), node AS (
        INSERT INTO ledger_node (workspace_id, level, index, hash)
        SELECT $1, * FROM unnest($8::smallint[], $9::bigint[], $10::bytea[])
    )
    UPDATE ledger_head SET size = $11, hash = $12, frontier = $13 WHERE workspace_id = $1
"""


class Claim(NamedTuple):
    """One purpose that a person's events claim by one signal, again and again."""

    subject: UUID
    digest: bytes
    purpose: Purpose


class _Head(NamedTuple):
    size: int
    hash: bytes
    frontier: list[bytes]
    now: datetime


async def append_records(connection: Connection, workspace: UUID, words: Sequence[Word]) -> list[int]:
    """Record words in their order and return their numbers. Must run inside a transaction.

    The ledger is held until that commits: numbers have no gaps and commit in order. A transaction that also writes
    to `consent` calls this first, so that no two of them wait for one another in a circle.
    """
    if not words:
        return []
    head = await _lock(connection, workspace)
    frontier = Frontier(head.size, head.frontier)
    previous, leaves, hashes, nodes = head.hash, [], [], []
    salts = [os.urandom(SALT_LENGTH) for _ in words]
    for word, salt in zip(words, salts, strict=True):
        leaves.append(write_record(word, salt, seq=frontier.size + 1, previous=previous, at=head.now))
        previous = leaf_hash(leaves[-1])
        hashes.append(previous)
        nodes += frontier.append(previous)
    seqs = list(range(head.size + 1, frontier.size + 1))
    await connection.execute(
        _APPEND,
        workspace,
        seqs,
        leaves,
        hashes,
        [word.subject for word in words],
        salts,
        [word.signal for word in words],
        [level for level, _, _ in nodes],
        [index for _, index, _ in nodes],
        [root for _, _, root in nodes],
        frontier.size,
        previous,
        frontier.peaks,
    )
    return seqs


async def _lock(connection: Connection, workspace: UUID) -> _Head:
    row = await connection.fetchrow(_LOCK, workspace)
    if row is None:
        await connection.execute("INSERT INTO ledger_head (workspace_id) VALUES ($1) ON CONFLICT DO NOTHING", workspace)
        row = await connection.fetchrow(_LOCK, workspace)
    return _Head(*row)


async def find_claims(connection: Connection, workspace: UUID, claims: Collection[Claim]) -> dict[Claim, int]:
    """Find the records of claims that were made before."""
    asked = list(claims)
    rows = await connection.fetch(
        """
        SELECT asked.place, evidence.seq
        FROM unnest($2::uuid[], $3::bytea[], $4::text[]) WITH ORDINALITY AS asked (subject_id, digest, purpose, place)
        JOIN consent_evidence AS evidence
            ON (evidence.workspace_id, evidence.subject_id, evidence.digest, evidence.purpose)
                = ($1, asked.subject_id, asked.digest, asked.purpose)
        """,
        workspace,
        *_columns(asked),
    )
    return {asked[place - 1]: seq for place, seq in rows}


async def record_claims(connection: Connection, workspace: UUID, words: Iterable[Word]) -> dict[Claim, int]:
    """Find the records of claims, and record those that are made for the first time.

    Each word has a signal, and is granted. Who makes the same claim at another gateway waits, and finds the record.
    Whoever has made too many claims on a purpose within a day rests on the newest of them: anyone may send events, and
    a new signal with each would have the ledger grow without end.
    """
    wanted = {Claim(word.subject, word.signal or b"", word.purpose): word for word in words}
    found = await find_claims(connection, workspace, wanted)
    if len(found) == len(wanted):
        return found
    async with connection.transaction():
        await _lock(connection, workspace)
        found |= await find_claims(connection, workspace, wanted.keys() - found.keys())
        found |= await _find_exhausted(connection, workspace, wanted.keys() - found.keys())
        missing = _bounded([claim for claim in wanted if claim not in found])
        seqs = await append_records(connection, workspace, [wanted[claim] for claim in missing])
        await connection.execute(
            """
            INSERT INTO consent_evidence (workspace_id, subject_id, digest, purpose, seq)
            SELECT $1, * FROM unnest($2::uuid[], $3::bytea[], $4::text[], $5::bigint[])
            """,
            workspace,
            *_columns(missing),
            seqs,
        )
    found |= dict(zip(missing, seqs, strict=True))
    newest = {(claim.subject, claim.purpose): seq for claim, seq in sorted(found.items(), key=lambda each: each[1])}
    return {claim: found.get(claim) or newest[claim.subject, claim.purpose] for claim in wanted}


def _bounded(claims: Iterable[Claim]) -> list[Claim]:
    """Leave out what one batch claims too often."""
    counts: Counter[tuple[UUID, Purpose]] = Counter()
    kept = []
    for claim in claims:
        counts[claim.subject, claim.purpose] += 1
        if counts[claim.subject, claim.purpose] <= MOST_CLAIMS:
            kept.append(claim)
    return kept


async def _find_exhausted(connection: Connection, workspace: UUID, claims: Collection[Claim]) -> dict[Claim, int]:
    """Give the newest record of the same person and purpose to claims of whoever has made enough of them in a day."""
    asked = list({(claim.subject, claim.purpose) for claim in claims})
    rows = await connection.fetch(
        """
        SELECT evidence.subject_id, evidence.purpose, max(evidence.seq) AS newest
        FROM unnest($2::uuid[], $3::text[]) AS asked (subject_id, purpose)
        JOIN consent_evidence AS evidence
            ON (evidence.workspace_id, evidence.subject_id, evidence.purpose)
                = ($1, asked.subject_id, asked.purpose)
        WHERE evidence.at > now() - interval '1 day'
        GROUP BY evidence.subject_id, evidence.purpose HAVING count(*) >= $4
        """,
        workspace,
        [subject for subject, _ in asked],
        [purpose.value for _, purpose in asked],
        MOST_CLAIMS,
    )
    newest = {(row["subject_id"], Purpose(row["purpose"])): row["newest"] for row in rows}
    return {claim: newest[claim.subject, claim.purpose] for claim in claims if (claim.subject, claim.purpose) in newest}


def _columns(claims: Iterable[Claim]) -> tuple[list[UUID], list[bytes], list[str]]:
    rows = list(claims)
    return [each.subject for each in rows], [each.digest for each in rows], [each.purpose.value for each in rows]
