"""Taking a person out of every table, and keeping them out. Each function works on an open transaction."""

from base64 import b64encode
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from domain.alias import Alias
from domain.request import Found
from stores.ledger.closings import close_records
from stores.postgres import Connection
from stores.subjects import alias_columns


class Erased(msgspec.Struct, frozen=True):
    """One subject that is gone, and its place in the order of erasures."""

    seq: int
    workspace: UUID
    subject_id: UUID
    profile_id: UUID


_SUPPRESS: Final = """
    INSERT INTO suppression (workspace_id, kind, version, index, reason, since)
    SELECT $1, kind, version, index, 'erased', $5
    FROM unnest($2::text[], $3::smallint[], $4::bytea[]) AS gone (kind, version, index)
    ORDER BY kind, version, index
    ON CONFLICT DO NOTHING
"""
# Whoever is about to store something of theirs waits here, before holding anything that this transaction needs.
_HOLD: Final = "SELECT FROM subject WHERE workspace_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE"
_MARK: Final = """
    INSERT INTO erasure (workspace_id, subject_id, profile_id, request_id, at)
    SELECT $1, gone.id, coalesce(subject.profile_id, gone.id), $3, $4 FROM unnest($2::uuid[]) AS gone (id)
    LEFT JOIN subject ON subject.workspace_id = $1 AND subject.id = gone.id
    ON CONFLICT DO NOTHING
"""

# Earlier changes go; one last change per membership tells subscribers that it has ended.
_FORGET_CHANGES: Final = """
    DELETE FROM segment_change WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])
        AND cause <> '{"request": "erase"}'
"""
_LEAVE: Final = """
    INSERT INTO segment_change
        (workspace_id, profile_id, profile_version, segment_id, segment_key, segment_version, kind, at, cause)
    SELECT $1, profile.id, profile.version + 1, segment.id, segment.key, membership.segment_version, 'exited', $3,
        '{"request": "erase"}'
    FROM membership
    JOIN profile ON profile.workspace_id = $1 AND profile.id = membership.profile_id
    JOIN segment ON segment.workspace_id = $1 AND segment.id = membership.segment_id
    WHERE membership.workspace_id = $1 AND membership.profile_id = ANY($2::uuid[])
"""

_BY_SUBJECT: Final = {
    "message_seen": """
        DELETE FROM message_seen USING event
        WHERE event.workspace_id = $1 AND event.subject_id = ANY($2::uuid[])
            AND message_seen.workspace_id = $1 AND message_seen.message_id = event.message_id
    """,
    "item": "DELETE FROM item WHERE workspace_id = $1 AND told_by = ANY($2::uuid[])",
    "event": "DELETE FROM event WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])",
    "consent": "DELETE FROM consent WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])",
    "claim": """
        DELETE FROM claim
        WHERE workspace_id = $1 AND (subject_id = ANY($2::uuid[]) OR other_subject_id = ANY($2::uuid[]))
    """,
    "consent_evidence": "DELETE FROM consent_evidence WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])",
    "consent_opening": "DELETE FROM consent_opening WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])",
    "vault_token": "DELETE FROM vault_token WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])",
    "alias": "DELETE FROM alias WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])",
    "subject": "DELETE FROM subject WHERE workspace_id = $1 AND id = ANY($2::uuid[])",
}
"""What hangs on a subject, in the order in which it goes; other tables with a foreign key on `subject` follow it."""

_BY_PROFILE: Final = {
    "leaf_state": "DELETE FROM leaf_state WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])",
    "membership": "DELETE FROM membership WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])",
    "profile": "DELETE FROM profile WHERE workspace_id = $1 AND id = ANY($2::uuid[])",
}

_BURIED: Final = """
    {verb} FROM dead_letter WHERE (workspace_id = $1 OR workspace_id IS NULL)
        AND EXISTS (SELECT FROM unnest($2::bytea[]) AS mark WHERE position(mark IN value) > 0)
"""
_ANSWERS: Final = """
    UPDATE privacy_request SET result = NULL, expires_at = NULL, stated = NULL, sealed_for = NULL
    WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) AND (result IS NOT NULL OR stated IS NOT NULL)
"""


async def erase_person(
    connection: Connection,
    workspace: UUID,
    found: Found,
    *,
    request: UUID | None,
    at: datetime,
    closing_key: bytes,
) -> dict[str, int]:
    """Remove a person from every table and suppress each of their identifiers; return the number of rows per table.

    The caller holds the workspace's definitions alone, so that no builder is in the middle of their events. With the
    data keys goes what can be read of copies elsewhere. A second call finds nothing to do. Under `closing_key` the
    ledger's records about them are marked as closed.
    """
    subjects, profiles = list(found.subjects), list(found.profiles)
    await connection.execute(_HOLD, workspace, subjects)
    counts = {"suppressed": _number(await connection.execute(_SUPPRESS, workspace, *alias_columns(found.aliases), at))}
    await connection.execute(_MARK, workspace, subjects, request, at)
    counts["segment_change"] = _number(await connection.execute(_FORGET_CHANGES, workspace, profiles))
    counts["exits"] = _number(await connection.execute(_LEAVE, workspace, profiles, at))
    for table, statement in _BY_PROFILE.items():
        counts[table] = _number(await connection.execute(statement, workspace, profiles))
    await close_records(connection, workspace, subjects, closing_key)
    for table, statement in _BY_SUBJECT.items():
        counts[table] = _number(await connection.execute(statement, workspace, subjects))
    counts["dead_letter"] = _number(await connection.execute(_BURIED.format(verb="DELETE"), workspace, _marks(found)))
    counts["answers"] = _number(await connection.execute(_ANSWERS, workspace, profiles))
    return counts


async def remains(connection: Connection, workspace: UUID, found: Found) -> dict[str, int]:
    """Count what is left of an erased person, table by table: all zeros, and no identifier unsuppressed."""
    subjects, profiles = list(found.subjects), list(found.profiles)
    statements = {
        "subject": ("SELECT count(*) FROM subject WHERE workspace_id = $1 AND id = ANY($2::uuid[])", subjects),
        "claim": (
            """
            SELECT count(*) FROM claim
            WHERE workspace_id = $1 AND (subject_id = ANY($2::uuid[]) OR other_subject_id = ANY($2::uuid[]))
            """,
            subjects,
        ),
        "consent": ("SELECT count(*) FROM consent WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])", subjects),
        "item": ("SELECT count(*) FROM item WHERE workspace_id = $1 AND told_by = ANY($2::uuid[])", subjects),
        "event": ("SELECT count(*) FROM event WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])", subjects),
        "profile": ("SELECT count(*) FROM profile WHERE workspace_id = $1 AND id = ANY($2::uuid[])", profiles),
        "membership": (
            "SELECT count(*) FROM membership WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])",
            profiles,
        ),
        "leaf_state": (
            "SELECT count(*) FROM leaf_state WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])",
            profiles,
        ),
        "dead_letter": (_BURIED.format(verb="SELECT count(*)"), _marks(found)),
    }
    left: dict[str, int] = {}
    for table, (statement, values) in statements.items():
        left[table] = await connection.fetchval(statement, workspace, values)
    left["alias"] = await connection.fetchval(
        """
        SELECT count(*) FROM alias JOIN unnest($2::text[], $3::smallint[], $4::bytea[]) AS gone (kind, version, index)
            USING (kind, version, index)
        WHERE workspace_id = $1
        """,
        workspace,
        *alias_columns(found.aliases),
    )
    left["unsuppressed"] = len(await unsuppressed(connection, workspace, found.aliases))
    return left


async def unsuppressed(connection: Connection, workspace: UUID, aliases: Collection[Alias]) -> list[Alias]:
    """List those of some identifiers that are not suppressed."""
    asked = list(aliases)
    rows = await connection.fetch(
        """
        SELECT place FROM unnest($2::text[], $3::smallint[], $4::bytea[]) WITH ORDINALITY
            AS asked (kind, version, index, place)
        WHERE NOT EXISTS (
            SELECT FROM suppression
            WHERE (suppression.workspace_id, suppression.kind, suppression.version, suppression.index)
                = ($1, asked.kind, asked.version, asked.index)
        )
        ORDER BY place
        """,
        workspace,
        *alias_columns(asked),
    )
    return [asked[row["place"] - 1] for row in rows]


async def erased_among(connection: Connection, workspace: UUID, subjects: Collection[UUID]) -> set[UUID]:
    """Tell which subjects were erased."""
    rows = await connection.fetch(
        "SELECT subject_id FROM erasure WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])",
        workspace,
        list(subjects),
    )
    return {row["subject_id"] for row in rows}


async def newest_erasure(connection: Connection) -> int:
    """Tell the place of the newest erasure; 0 before the first."""
    seq: int = await connection.fetchval("SELECT coalesce(max(seq), 0) FROM erasure")
    return seq


async def erasures_after(connection: Connection, seq: int, limit: int) -> list[Erased]:
    """List erasures after a place, so that a process forgets what it holds of these people."""
    rows = await connection.fetch(
        "SELECT seq, workspace_id, subject_id, profile_id FROM erasure WHERE seq > $1 ORDER BY seq LIMIT $2", seq, limit
    )
    return [Erased(*row) for row in rows]


async def exits_published(connection: Connection, workspace: UUID, profiles: Collection[UUID]) -> bool:
    """Tell whether everyone has been told of the memberships that ended with their people."""
    waiting: bool = await connection.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM segment_change, publisher
            WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])
                AND (position IS NULL OR position > published_through)
        )
        """,
        workspace,
        list(profiles),
    )
    return not waiting


def total(counts: Mapping[str, int]) -> int:
    """Add up how many rows went, suppressions and farewells left out."""
    return sum(number for name, number in counts.items() if name not in {"suppressed", "exits"})


def _marks(found: Found) -> list[bytes]:
    """Give what a record about the person holds: a subject's id, or an identifier's index as JSON has it."""
    return [str(subject).encode() for subject in found.subjects] + [b64encode(alias.index) for alias in found.aliases]


def _number(status: str) -> int:
    return int(status.rpartition(" ")[2])
