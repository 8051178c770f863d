"""What people stated in events that are kept no longer: the newest statement of each trait, for each subject."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from stores.postgres import Connection

Stated = dict[str, dict[str, Any]]
"""`{trait: {"v": value, "t": microseconds, "m": message id, …}}`, as a profile has it; sealed ones have a `frame`."""


class Statements(msgspec.Struct):
    """All of one subject."""

    traits: Stated
    sealed: Stated


async def read_statements(
    connection: Connection, workspace: UUID, subjects: Collection[UUID]
) -> dict[UUID, Statements]:
    """Read what is kept of some subjects; those of whom there is nothing are left out."""
    rows = await connection.fetch(
        """
        SELECT subject_id, traits, sealed FROM statement WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])
        ORDER BY subject_id
        """,
        workspace,
        list(subjects),
    )
    return {subject: Statements(traits, sealed) for subject, traits, sealed in rows}


async def lock_statements(
    connection: Connection, workspace: UUID, subjects: Collection[UUID]
) -> dict[UUID, Statements]:
    """Lock and read the rows of those of some subjects that are still there, made empty where there were none."""
    ids = sorted(subjects)
    await connection.execute(
        """
        INSERT INTO statement (workspace_id, subject_id)
        SELECT workspace_id, id FROM subject WHERE workspace_id = $1 AND id = ANY($2::uuid[]) ORDER BY id
        ON CONFLICT DO NOTHING
        """,
        workspace,
        ids,
    )
    rows = await connection.fetch(
        """
        SELECT subject_id, traits, sealed FROM statement WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])
        ORDER BY subject_id FOR UPDATE
        """,
        workspace,
        ids,
    )
    return {subject: Statements(traits, sealed) for subject, traits, sealed in rows}


async def save_statements(connection: Connection, workspace: UUID, statements: Mapping[UUID, Statements]) -> None:
    """Write locked rows; one that has become empty goes."""
    await connection.execute(
        """
        UPDATE statement SET traits = new.traits, sealed = new.sealed
        FROM unnest($2::uuid[], $3::jsonb[], $4::jsonb[]) AS new (subject_id, traits, sealed)
        WHERE workspace_id = $1 AND statement.subject_id = new.subject_id
        """,
        workspace,
        list(statements),
        [each.traits for each in statements.values()],
        [each.sealed for each in statements.values()],
    )
    await connection.execute(
        """
        DELETE FROM statement
        WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[]) AND traits = '{}' AND sealed = '{}'
        """,
        workspace,
        list(statements),
    )


async def statements_after(connection: Connection, workspace: UUID, after: UUID, limit: int) -> Sequence[UUID]:
    """List subjects of whom anything is kept, in the order of their ids; not those who had their data restricted."""
    rows = await connection.fetch(
        """
        SELECT subject_id FROM statement
        JOIN subject ON subject.workspace_id = $1 AND subject.id = subject_id
        LEFT JOIN profile ON profile.workspace_id = $1 AND profile.id = subject.profile_id
        WHERE statement.workspace_id = $1 AND subject_id > $2 AND restricted_at IS NULL ORDER BY subject_id LIMIT $3
        """,
        workspace,
        after,
        limit,
    )
    return [row["subject_id"] for row in rows]
