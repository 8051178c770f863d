"""The ledger of claims: which identifiers were seen together, when, by which event, and what was made of it.

Rows are only ever added, and go with their person. A merge is in force until a later row undoes it; so is a parting.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.alias import Alias, AliasKind
from domain.identity import Decision
from domain.request import Holds
from stores.postgres import Connection


class Claim(msgspec.Struct, frozen=True):
    """What was said about two subjects, or about a subject and an identifier, and what was made of it."""

    subject_id: UUID
    other_subject_id: UUID
    """The same as `subject_id` where an identifier was linked or refused that had no subject."""
    message_id: str
    """The event that said so; empty where nobody but `actor` did."""
    at: datetime
    decision: Decision
    reason: str | None = None
    by: AliasKind | None = None
    """The kind of the identifier that led to the subject."""
    alias: Alias | None = None
    """The identifier that was seen with it."""
    actor: str = "event"
    profile_id: UUID | None = None
    other_profile_id: UUID | None = None
    held: tuple[Holds, Holds] | None = None
    """Of a merge: what the profile that stayed and the one that gave way held back before."""
    undoes: tuple[int, ...] = ()


class StoredClaim(msgspec.Struct, frozen=True):
    """A claim as it stands in the ledger; never the identifier itself."""

    id: int
    subject_id: UUID
    other_subject_id: UUID
    message_id: str
    at: datetime
    decision: Decision
    reason: str | None
    by_kind: AliasKind | None
    kind: AliasKind | None
    actor: str
    profile_id: UUID | None
    other_profile_id: UUID | None
    held: Any
    undone: bool


Edge = tuple[int, UUID, UUID]
"""A claim's id and its two subjects."""

_UNDONE: Final = """
    EXISTS (SELECT FROM claim AS later WHERE later.workspace_id = claim.workspace_id AND later.undoes @> ARRAY[claim.id]
        AND later.undoes <> '{}')
"""
_COLUMNS: Final = f"""
    id, subject_id, other_subject_id, message_id, at, decision, reason, by_kind, kind, actor, profile_id,
    other_profile_id, held, {_UNDONE} AS undone
"""


async def add_claims(connection: Connection, workspace: UUID, claims: Sequence[Claim]) -> None:
    """Write decisions down; the same refusal of the same two is written once."""
    await connection.execute(
        """
        INSERT INTO claim (workspace_id, subject_id, other_subject_id, message_id, at, decision, reason, by_kind, kind,
            version, index, actor, profile_id, other_profile_id, held, undoes)
        SELECT $1, subject_id, other_subject_id, message_id, at, decision, reason, by_kind, kind, version, index, actor,
            profile_id, other_profile_id, held, undoes::bigint[]
        FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::smallint[], $11::bytea[], $12::text[], $13::uuid[], $14::uuid[], $15::jsonb[], $16::text[])
            WITH ORDINALITY AS new (subject_id, other_subject_id, message_id, at, decision, reason, by_kind, kind,
                version, index, actor, profile_id, other_profile_id, held, undoes, place)
        WHERE decision <> 'refused' OR NOT EXISTS (
            SELECT FROM claim WHERE claim.workspace_id = $1 AND claim.subject_id = new.subject_id
                AND claim.other_subject_id = new.other_subject_id AND claim.decision = new.decision
                AND claim.reason IS NOT DISTINCT FROM new.reason)
        ORDER BY place
        """,
        workspace,
        [claim.subject_id for claim in claims],
        [claim.other_subject_id for claim in claims],
        [claim.message_id for claim in claims],
        [claim.at for claim in claims],
        [claim.decision.value for claim in claims],
        [claim.reason for claim in claims],
        [claim.by for claim in claims],
        [claim.alias and claim.alias.kind for claim in claims],
        [claim.alias and claim.alias.version for claim in claims],
        [claim.alias and claim.alias.index for claim in claims],
        [claim.actor for claim in claims],
        [claim.profile_id for claim in claims],
        [claim.other_profile_id for claim in claims],
        [claim.held and msgspec.to_builtins(claim.held) for claim in claims],
        ["{" + ",".join(map(str, claim.undoes)) + "}" for claim in claims],
    )


async def find_claim(connection: Connection, workspace: UUID, claim: int) -> StoredClaim | None:
    """Read one claim."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM claim WHERE workspace_id = $1 AND id = $2",  # noqa: S608 - a constant
        workspace,
        claim,
    )
    return _stored(row) if row else None


async def list_claims(
    connection: Connection,
    workspace: UUID,
    *,
    profile: UUID | None = None,
    decisions: Collection[Decision] = tuple(Decision),
    before: int | None = None,
    limit: int,
) -> list[StoredClaim]:
    """List claims of a workspace, or of the subjects that a profile carries, the newest first, from before an id on."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM claim
        WHERE workspace_id = $1 AND decision = ANY($2::text[]) AND ($3::bigint IS NULL OR id < $3)
            AND ($4::uuid IS NULL OR subject_id IN (SELECT id FROM subject WHERE workspace_id = $1 AND profile_id = $4)
                OR other_subject_id IN (SELECT id FROM subject WHERE workspace_id = $1 AND profile_id = $4))
        ORDER BY id DESC LIMIT $5
        """,  # noqa: S608 - a constant
        workspace,
        [decision.value for decision in decisions],
        before,
        profile,
        limit,
    )
    return [_stored(row) for row in rows]


async def merges_in_force(connection: Connection, workspace: UUID, profile: UUID) -> list[Edge]:
    """List the merges that hold the subjects of a profile together, the oldest first."""
    rows = await connection.fetch(
        f"""
        SELECT claim.id, subject_id, other_subject_id FROM subject
        JOIN claim ON claim.workspace_id = $1 AND claim.subject_id = subject.id AND decision = 'merged'
        JOIN subject AS other ON other.workspace_id = $1 AND other.id = other_subject_id AND other.profile_id = $2
        WHERE subject.workspace_id = $1 AND subject.profile_id = $2 AND NOT {_UNDONE} ORDER BY claim.id
        """,  # noqa: S608 - a constant
        workspace,
        profile,
    )
    return [tuple(row) for row in rows]


async def partings_in_force(connection: Connection, workspace: UUID, profiles: Collection[UUID]) -> list[Edge]:
    """List what keeps some of these profiles apart: the claim's id, and the two profiles as they are now."""
    rows = await connection.fetch(
        f"""
        SELECT claim.id, subject.profile_id, other.profile_id FROM subject
        JOIN claim ON claim.workspace_id = $1 AND claim.subject_id = subject.id AND decision = 'parted'
        JOIN subject AS other ON other.workspace_id = $1 AND other.id = other_subject_id
            AND other.profile_id = ANY($2::uuid[])
        WHERE subject.workspace_id = $1 AND subject.profile_id = ANY($2::uuid[]) AND NOT {_UNDONE}
        """,  # noqa: S608 - a constant
        workspace,
        list(profiles),
    )
    return [tuple(row) for row in rows]


def _stored(row: Any) -> StoredClaim:
    return StoredClaim(
        row["id"],
        row["subject_id"],
        row["other_subject_id"],
        row["message_id"],
        row["at"],
        Decision(row["decision"]),
        row["reason"],
        row["by_kind"] and AliasKind(row["by_kind"]),
        row["kind"] and AliasKind(row["kind"]),
        row["actor"],
        row["profile_id"],
        row["other_profile_id"],
        row["held"],
        row["undone"],
    )
