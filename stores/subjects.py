"""People as the gateway meets them: from an identifier's blind index to the subject behind it."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from domain.alias import Alias, AliasKind, Subject
from domain.consent import Purpose, State
from stores.postgres import Connection
from stores.workspace_keys import StaleKeys


class Standing(msgspec.Struct, frozen=True):
    """What is stored about some aliases. An alias in neither collection is unknown."""

    subjects: Mapping[Alias, Subject]
    suppressed: frozenset[Alias]
    """Aliases of erased people, whose subjects are gone."""


NOBODY: Final = Standing({}, frozenset())


class Newcomer(msgspec.Struct, frozen=True):
    """A subject to be, under the one alias that it is first known by.

    `coming` is the same identifier under the index version that is coming, while there is one.
    """

    alias: Alias
    subject_id: UUID
    wrapped_key: bytes
    coming: Alias | None = None


_EVIDENCE_AT_MOST: Final = 25
"""Records of claims that are looked up with a person; an older claim is looked up by itself."""

# A profile's consent is the last word on each purpose over all subjects of the profile; of two at the same
# instant the refusal counts. Global Privacy Control is in force as long as both of its refusals are.
# The LIMIT has Postgres look up one person after another: while it has no statistics of these tables, as in the first
# minute of an installation, it would rather compare everyone in the workspace with everyone.
_FIND = """
    SELECT asked.kind, asked.version, asked.index, subject.id, subject.profile_id, subject.wrapped_key,
        word.consent, CASE WHEN word.controlled = 2 THEN word.controlled_at END AS privacy_control_at,
        (
            SELECT jsonb_object_agg(digest, records)
            FROM (
                SELECT encode(digest, 'hex') AS digest, jsonb_object_agg(purpose, seq) AS records
                FROM (
                    SELECT digest, purpose, seq FROM consent_evidence AS evidence
                    WHERE evidence.workspace_id = $1 AND evidence.subject_id = subject.id
                    ORDER BY seq DESC LIMIT $5
                ) AS newest
                GROUP BY newest.digest
            ) AS signal
        ) AS evidence,
        EXISTS (
            SELECT FROM suppression
            WHERE (suppression.workspace_id, suppression.kind, suppression.version, suppression.index)
                = ($1, asked.kind, asked.version, asked.index)
        ) AS suppressed
    FROM unnest($2::text[], $3::smallint[], $4::bytea[]) AS asked (kind, version, index)
    LEFT JOIN LATERAL (
        SELECT subject.id, subject.profile_id, subject.wrapped_key
        FROM alias JOIN subject ON subject.workspace_id = $1 AND subject.id = alias.subject_id
        WHERE (alias.workspace_id, alias.kind, alias.version, alias.index)
            = ($1, asked.kind, asked.version, asked.index)
        LIMIT 1
    ) AS subject ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(purpose, jsonb_build_array(state, coalesce(seq, 0), is_own)) AS consent,
            count(*) FILTER (WHERE source = 'gpc') AS controlled,
            min(at) FILTER (WHERE source = 'gpc') AS controlled_at
        FROM (
            SELECT DISTINCT ON (purpose) purpose, state, source, at, seq, kin.id = subject.id AS is_own
            FROM subject AS kin
            JOIN consent ON consent.workspace_id = kin.workspace_id AND consent.subject_id = kin.id
            WHERE kin.workspace_id = $1 AND kin.profile_id = subject.profile_id
            ORDER BY purpose, at DESC, state = 'granted'
        ) AS last_word
    ) AS word ON subject.id IS NOT NULL
"""

# Only who wins the alias becomes a subject, and the coming alias goes to the winner, whoever that is. The order keeps
# racing gateways out of each other's locks. Nobody is enrolled under keys that are no longer in force.
_ENROL = """
    WITH held AS MATERIALIZED (
        SELECT hold_keys($1) AS stamp
    ), newcomer AS (
        SELECT newcomer.* FROM held, unnest(
            $2::text[], $3::smallint[], $4::bytea[], $5::uuid[], $6::bytea[], $9::smallint[], $10::bytea[]
        ) AS newcomer (kind, version, index, subject_id, wrapped_key, coming_version, coming_index)
        WHERE held.stamp = $8
    ), owner AS (
        INSERT INTO alias (workspace_id, kind, version, index, subject_id, first_seen_at)
        SELECT $1, kind, version, index, subject_id, $7 FROM newcomer
        WHERE NOT EXISTS (
            SELECT FROM suppression
            WHERE (suppression.workspace_id, suppression.kind, suppression.version, suppression.index)
                = ($1, newcomer.kind, newcomer.version, newcomer.index)
        )
        ORDER BY kind, version, index
        ON CONFLICT (workspace_id, kind, version, index) DO UPDATE SET subject_id = alias.subject_id
        RETURNING kind, version, index, subject_id, first_seen_at
    ), coming AS (
        INSERT INTO alias (workspace_id, kind, version, index, subject_id, first_seen_at)
        SELECT $1, kind, coming_version, coming_index, owner.subject_id, owner.first_seen_at
        FROM newcomer JOIN owner USING (kind, version, index)
        WHERE coming_index IS NOT NULL ORDER BY kind, coming_version, coming_index
        ON CONFLICT DO NOTHING
    ), made AS (
        INSERT INTO subject (workspace_id, id, profile_id, wrapped_key, created_at)
        SELECT $1, subject_id, subject_id, wrapped_key, $7 FROM newcomer JOIN owner USING (subject_id)
    )
    SELECT stamp FROM held
"""


async def find_subjects(connection: Connection, workspace: UUID, aliases: Collection[Alias]) -> Standing:
    """Find the subjects of some aliases, with the consent of their profiles, in one statement."""
    rows = await connection.fetch(_FIND, workspace, *alias_columns(aliases), _EVIDENCE_AT_MOST)
    subjects: dict[Alias, Subject] = {}
    suppressed: set[Alias] = set()
    for row in rows:
        alias = Alias(AliasKind(row["kind"]), row["version"], row["index"])
        if row["suppressed"]:
            suppressed.add(alias)
        if row["id"] is not None:
            subjects[alias] = _subject(row)
    return Standing(subjects, frozenset(suppressed))


async def enrol_subjects(
    connection: Connection, workspace: UUID, newcomers: Collection[Newcomer], at: datetime, *, stamp: int = 0
) -> Standing:
    """Store newcomers and return the subjects that their aliases now have; one that is suppressed gets none.

    Gateways that race for one alias settle on the first to commit: the others get that subject. `stamp` is that of the
    keys which the newcomers were made under. Raises `StaleKeys` when they are no longer in force.
    """
    kinds, versions, indexes = alias_columns(newcomer.alias for newcomer in newcomers)
    subject_ids = [newcomer.subject_id for newcomer in newcomers]
    wrapped_keys = [newcomer.wrapped_key for newcomer in newcomers]
    coming = [newcomer.coming for newcomer in newcomers]
    coming_versions = [alias and alias.version for alias in coming]
    coming_indexes = [alias and alias.index for alias in coming]
    made = (kinds, versions, indexes, subject_ids, wrapped_keys, at, stamp, coming_versions, coming_indexes)
    held: int | None = await connection.fetchval(_ENROL, workspace, *made)
    if held != stamp:
        raise StaleKeys(held or 0)
    return await find_subjects(connection, workspace, [newcomer.alias for newcomer in newcomers])


async def profile_aliases(connection: Connection, workspace: UUID, profiles: Collection[UUID]) -> list[Alias]:
    """List every alias of some profiles."""
    rows = await connection.fetch(
        """
        SELECT kind, version, index
        FROM subject JOIN alias ON alias.workspace_id = subject.workspace_id AND alias.subject_id = subject.id
        WHERE subject.workspace_id = $1 AND subject.profile_id = ANY($2::uuid[])
        """,
        workspace,
        list(profiles),
    )
    return [Alias(AliasKind(kind), version, index) for kind, version, index in rows]


def _subject(row: asyncpg.Record) -> Subject:
    consent: dict[Purpose, State] = {}
    records: dict[Purpose, int] = {}
    linked: dict[Purpose, int] = {}
    for name, (state, seq, is_own) in (row["consent"] or {}).items():
        purpose = Purpose(name)
        consent[purpose] = State(state)
        (records if is_own and seq else linked)[purpose] = seq
    evidence = {
        digest: {Purpose(purpose): seq for purpose, seq in seqs.items()}
        for digest, seqs in (row["evidence"] or {}).items()
    }
    return Subject(
        row["id"],
        row["profile_id"],
        row["wrapped_key"],
        consent,
        suppressed=row["suppressed"],
        privacy_control_at=row["privacy_control_at"],
        records=records,
        linked=linked,
        evidence=evidence,
    )


def alias_columns(aliases: Iterable[Alias]) -> tuple[list[str], list[int], list[bytes]]:
    """Lay aliases out as the arrays that a statement unnests: kinds, versions, indexes."""
    rows = [(alias.kind.value, alias.version, alias.index) for alias in aliases]
    return [kind for kind, _, _ in rows], [version for _, version, _ in rows], [index for _, _, index in rows]
