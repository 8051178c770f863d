"""Reading the stored last words and the records that they must agree with, some people at a time."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain.consent import Purpose, State
from privacy.ledger.record import Opening, read_record
from privacy.ledger.standing import Opened, Stored
from stores.postgres import Connection


async def list_subjects(connection: Connection, workspace: UUID, after: UUID, limit: int) -> list[UUID]:
    """List the subjects after one, in the order of their ids."""
    rows = await connection.fetch(
        "SELECT id FROM subject WHERE workspace_id = $1 AND id > $2 ORDER BY id LIMIT $3", workspace, after, limit
    )
    return [row["id"] for row in rows]


async def read_stored(connection: Connection, workspace: UUID, subjects: Sequence[UUID]) -> list[Stored]:
    """Read the words of some subjects that are in force."""
    rows = await connection.fetch(
        """
        SELECT subject_id, purpose, state, at, seq FROM consent
        WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])
        """,
        workspace,
        subjects,
    )
    return [Stored(subject, Purpose(purpose), State(state), at, seq) for subject, purpose, state, at, seq in rows]


async def read_opened(connection: Connection, workspace: UUID, subjects: Sequence[UUID]) -> list[Opened]:
    """Read the records about some subjects, in the order of the ledger."""
    rows = await connection.fetch(
        """
        SELECT seq, leaf, subject_id, salt, signal, EXISTS (
            SELECT FROM consent_evidence AS evidence
            WHERE (evidence.workspace_id, evidence.subject_id, evidence.seq)
                = (opening.workspace_id, opening.subject_id, opening.seq)
        ) AS is_claim
        FROM consent_opening AS opening JOIN consent_record USING (workspace_id, seq)
        WHERE opening.workspace_id = $1 AND opening.subject_id = ANY($2::uuid[]) ORDER BY seq
        """,
        workspace,
        subjects,
    )
    return [
        Opened(row["seq"], row["leaf"], Opening(row["subject_id"], row["salt"], row["signal"]), row["is_claim"])
        for row in rows
    ]


async def ledger_begun(connection: Connection, workspace: UUID) -> datetime | None:
    """Tell when the first record was made; None before it."""
    leaf: bytes | None = await connection.fetchval(
        "SELECT leaf FROM consent_record WHERE workspace_id = $1 AND seq = 1", workspace
    )
    return None if leaf is None else read_record(leaf).at
