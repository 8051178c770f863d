"""Everything that is held about one person, read whole for them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.alias import Alias, AliasKind
from domain.consent import Consent, Purpose, State
from domain.request import Found
from stores.postgres import Connection

_SEGMENTS: Final = """
    SELECT segment.key, segment.name, segment.description, segment.definition, membership.entered_at,
        membership.expires_at, membership.cause
    FROM membership JOIN segment ON segment.workspace_id = $1 AND segment.id = membership.segment_id
    WHERE membership.workspace_id = $1 AND membership.profile_id = ANY($2::uuid[]) ORDER BY segment.key
"""
_CHANGES: Final = """
    SELECT segment_key AS segment, kind, at, cause FROM segment_change
    WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) ORDER BY id
"""
_REQUESTS: Final = """
    SELECT id, kind, regime, status, received_at, due_at, finished_at FROM privacy_request
    WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) ORDER BY received_at, id
"""
_LOOKS: Final = """
    SELECT at, actor, action, fields, purpose, reason FROM access_log
    WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) ORDER BY seq
"""
_CLAIMS: Final = """
    SELECT message_id, at, decision, reason, by_kind, kind, actor FROM claim
    WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[]) ORDER BY id
"""
_RECORDS: Final = """
    SELECT consent_record.seq, consent_record.leaf, consent_opening.subject_id AS subject, consent_opening.salt
    FROM consent_opening JOIN consent_record USING (workspace_id, seq)
    WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[]) ORDER BY seq
"""
_TOKENS: Final = """
    SELECT path, purpose, created_at, expires_at FROM vault_token
    WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[]) ORDER BY created_at, path
"""


class Sealed(msgspec.Struct, frozen=True):
    """A profile's row as it is stored, its traits with the times they were stated at."""

    id: UUID
    traits: dict[str, Any]
    sealed: dict[str, Any]
    counters: dict[str, int]
    first_seen_at: datetime
    last_seen_at: datetime


class Word(msgspec.Struct, frozen=True):
    """What was said of one subject."""

    subject_id: UUID
    consent: Consent


class Event(msgspec.Struct, frozen=True):
    """One stored event with what is sealed of it: frames in base64 by their paths."""

    message_id: str
    subject_id: UUID
    type: str
    name: str
    at: datetime
    received_at: datetime
    properties: dict[str, Any]
    traits: dict[str, Any]
    context: dict[str, Any]
    sealed: dict[str, str]
    purposes: list[str]


async def read_whole_profile(connection: Connection, workspace: UUID, profile: UUID) -> Sealed | None:
    """Read a profile with everything in its row; None when it is not built yet."""
    row = await connection.fetchrow(
        """
        SELECT id, traits, sealed, counters, first_seen_at, last_seen_at FROM profile
        WHERE workspace_id = $1 AND id = $2
        """,
        workspace,
        profile,
    )
    return None if row is None else Sealed(*row)


async def read_identities(
    connection: Connection, workspace: UUID, subjects: Collection[UUID]
) -> list[tuple[Alias, datetime]]:
    """List all identifiers of some subjects, each in one spelling, with when they were first seen."""
    rows = await connection.fetch(
        """
        SELECT kind, version, index, first_seen_at FROM alias
        WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[]) AND NOT spelling
        ORDER BY first_seen_at, kind, version
        """,
        workspace,
        list(subjects),
    )
    return [(Alias(AliasKind(kind), version, index), at) for kind, version, index, at in rows]


async def read_words(connection: Connection, workspace: UUID, subjects: Collection[UUID]) -> list[Word]:
    """List what was said of some subjects, the oldest first."""
    rows = await connection.fetch(
        """
        SELECT subject_id, purpose, state, source, at FROM consent
        WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[]) ORDER BY at, purpose, state <> 'granted'
        """,
        workspace,
        list(subjects),
    )
    return [
        Word(subject, Consent(Purpose(purpose), State(state), source, at))
        for subject, purpose, state, source, at in rows
    ]


def granted_by(words: Iterable[Word]) -> frozenset[Purpose]:
    """Give the purposes whose last word, in the order of `read_words`, is a grant."""
    last = {word.consent.purpose: word.consent.state for word in words}
    return frozenset(purpose for purpose, state in last.items() if state is State.GRANTED)


async def read_events(connection: Connection, workspace: UUID, subjects: Collection[UUID]) -> list[Event]:
    """List every event of some subjects in the order in which they happened, at one instant words on consent last."""
    rows = await connection.fetch(
        """
        SELECT message_id, subject_id, type, name, at, received_at, properties, traits, context, sealed, purposes
        FROM event WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])
        ORDER BY at, received_at, purposes = '{necessary}', message_id
        """,
        workspace,
        list(subjects),
    )
    return [Event(*row) for row in rows]


async def read_segments(connection: Connection, workspace: UUID, found: Found) -> list[dict[str, Any]]:
    """List the segments that the person is in, with the rule and with what led to it."""
    return _listed(await connection.fetch(_SEGMENTS, workspace, list(found.profiles)))


async def read_changes(connection: Connection, workspace: UUID, found: Found) -> list[dict[str, Any]]:
    """List the segments that the person entered and left."""
    return _listed(await connection.fetch(_CHANGES, workspace, list(found.profiles)))


async def read_requests(connection: Connection, workspace: UUID, found: Found) -> list[dict[str, Any]]:
    """List what the person has asked for."""
    return _listed(await connection.fetch(_REQUESTS, workspace, list(found.profiles)))


async def read_looks(connection: Connection, workspace: UUID, found: Found) -> list[dict[str, Any]]:
    """List who looked at the person's data."""
    return _listed(await connection.fetch(_LOOKS, workspace, list(found.profiles)))


async def read_claims(connection: Connection, workspace: UUID, found: Found) -> list[dict[str, Any]]:
    """List by which events identifiers were taken to be one person's."""
    return _listed(await connection.fetch(_CLAIMS, workspace, list(found.subjects)))


async def read_records(connection: Connection, workspace: UUID, found: Found) -> list[dict[str, Any]]:
    """List the person's records in the consent ledger, with what opens each: the leaf itself shows nobody."""
    rows = await connection.fetch(_RECORDS, workspace, list(found.subjects))
    return [{**dict(row), "leaf": msgspec.json.decode(row["leaf"])} for row in rows]


async def read_tokens(connection: Connection, workspace: UUID, found: Found) -> list[dict[str, Any]]:
    """List for which fields and purposes tokens stand outside."""
    return _listed(await connection.fetch(_TOKENS, workspace, list(found.subjects)))


def _listed(rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]
