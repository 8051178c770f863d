"""Filters of names, birth dates and postcodes, and the pairs of people whom they show to be alike."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.event import ProtectedEvent
from stores.postgres import Connection

_MOST_ALIKE: Final = 500
"""Of more people who share a birth date or a postcode, the newest are compared."""


class Pair(msgspec.Struct, frozen=True):
    """Two subjects of two profiles, with what is kept of either."""

    subject_id: UUID
    profile_id: UUID
    other_subject_id: UUID
    other_profile_id: UUID
    filters: Mapping[str, bytes]
    other_filters: Mapping[str, bytes]


class Candidate(msgspec.Struct, frozen=True):
    """Two people who may be one, and what became of the question."""

    id: UUID
    subject_id: UUID
    other_subject_id: UUID
    profile_id: UUID
    other_profile_id: UUID
    score: float
    scores: dict[str, float]
    status: str
    found_at: datetime
    decided_at: datetime | None


_MAY_BE_ASKED: Final = """
    NOT EXISTS (
        SELECT FROM profile WHERE workspace_id = $1 AND id IN (me.profile_id, other.profile_id)
            AND (restricted_at IS NOT NULL OR objected_at IS NOT NULL)
    ) AND NOT EXISTS (
        SELECT FROM match_candidate AS match
        JOIN subject AS one ON one.workspace_id = $1 AND one.id = match.subject_id
        JOIN subject AS two ON two.workspace_id = $1 AND two.id = match.other_subject_id
        WHERE match.workspace_id = $1 AND match.status = 'rejected'
            AND (one.profile_id, two.profile_id) IN (
                (me.profile_id, other.profile_id), (other.profile_id, me.profile_id)))
"""
"""Whether subjects `me` and `other` may be compared: nobody has rejected it, and neither objects to such use."""

_CANDIDATE: Final = """
    SELECT match.id, match.subject_id, match.other_subject_id, one.profile_id, other.profile_id AS other_profile_id,
        score, scores, status, found_at, decided_at
    FROM match_candidate AS match
    JOIN subject AS one ON one.workspace_id = $1 AND one.id = match.subject_id
    JOIN subject AS other ON other.workspace_id = $1 AND other.id = match.other_subject_id
    WHERE match.workspace_id = $1
"""


async def keep_likeness(connection: Connection, workspace: UUID, events: Iterable[ProtectedEvent]) -> None:
    """Keep the newest filters of each subject; those that changed wait to be compared."""
    newest: dict[tuple[UUID, str], tuple[datetime, int, bytes]] = {}
    for event in events:
        for field, bits in event.likeness.items():
            at, *_ = newest.get((event.subject, field), (event.at,))
            if event.at >= at:
                newest[event.subject, field] = (event.at, event.likeness_version, bits)
    ordered = sorted(newest.items())
    await connection.execute(
        """
        INSERT INTO likeness AS known (workspace_id, subject_id, field, bits, at, version)
        SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::bytea[], $5::timestamptz[], $6::smallint[])
        ON CONFLICT (workspace_id, subject_id, field) DO UPDATE SET bits = excluded.bits, at = excluded.at,
            version = excluded.version, compared = false
        WHERE known.at <= excluded.at AND known.version <= excluded.version
            AND (known.version, known.bits) <> (excluded.version, excluded.bits)
        """,
        workspace,
        [subject for (subject, _), _ in ordered],
        [field for (_, field), _ in ordered],
        [bits for _, (_, _, bits) in ordered],
        [at for _, (at, _, _) in ordered],
        [version for _, (_, version, _) in ordered],
    )


async def blank_likeness(
    connection: Connection, workspace: UUID, subjects: Collection[UUID], fields: Collection[str], at: datetime
) -> int:
    """Empty filters of what turned out to be wrong, and drop the questions that rested on it; count the filters.

    They stay empty against statements that were made before `at` and come later.
    """
    status: str = await connection.execute(
        """
        UPDATE likeness SET bits = '', version = 0, at = $4, compared = true
        WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[]) AND field = ANY($3::text[])
        """,
        workspace,
        list(subjects),
        list(fields),
        at,
    )
    await connection.execute(
        """
        DELETE FROM match_candidate WHERE workspace_id = $1 AND status = 'open'
            AND (subject_id = ANY($2::uuid[]) OR other_subject_id = ANY($2::uuid[]))
        """,
        workspace,
        list(subjects),
    )
    return int(status.rpartition(" ")[2])


async def count_likeness(connection: Connection, workspace: UUID, version: int) -> int:
    """Count the filters that go with this version of the index key or an earlier one."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM likeness WHERE workspace_id = $1 AND version <= $2", workspace, version
    )
    return found


async def delete_likeness(connection: Connection, workspace: UUID, version: int, limit: int) -> int:
    """Delete some of the filters that `count_likeness` counts; those that are locked wait. Return how many."""
    status: str = await connection.execute(
        """
        DELETE FROM likeness USING (
            SELECT subject_id, field FROM likeness WHERE workspace_id = $1 AND version <= $2
            LIMIT $3 FOR UPDATE SKIP LOCKED
        ) AS old
        WHERE likeness.workspace_id = $1 AND (likeness.subject_id, likeness.field) = (old.subject_id, old.field)
        """,
        workspace,
        version,
        limit,
    )
    return int(status.rpartition(" ")[2])


async def take_uncompared(connection: Connection, limit: int) -> list[tuple[UUID, UUID]]:
    """Take (workspace, subject) of some that wait to be compared; nobody else gets them in the same time."""
    rows = await connection.fetch(
        """
        UPDATE likeness SET compared = true FROM (
            SELECT workspace_id, subject_id, field FROM likeness WHERE NOT compared
            ORDER BY workspace_id, subject_id LIMIT $1 FOR UPDATE SKIP LOCKED
        ) AS waiting
        WHERE (likeness.workspace_id, likeness.subject_id, likeness.field)
            = (waiting.workspace_id, waiting.subject_id, waiting.field)
        RETURNING likeness.workspace_id, likeness.subject_id
        """,
        limit,
    )
    return sorted({(workspace, subject) for workspace, subject in rows})


async def pairs_of(connection: Connection, workspace: UUID, subject: UUID) -> list[Pair]:
    """Pair a subject with those of other profiles that share its birth date or its postcode exactly.

    Pairs of profiles that somebody has rejected are left out, and whoever does not want their data used so.
    """
    rows = await connection.fetch(
        f"""
        WITH near AS (
            SELECT other.subject_id, max(other.version) AS version FROM likeness AS mine
            JOIN likeness AS other ON other.workspace_id = $1 AND other.field = mine.field AND other.bits = mine.bits
                AND other.version = mine.version
            WHERE mine.workspace_id = $1 AND mine.subject_id = $2 AND mine.field <> 'name' AND other.field <> 'name'
                AND mine.bits <> '' AND other.subject_id <> $2
            GROUP BY other.subject_id ORDER BY other.subject_id DESC LIMIT $3
        )
        SELECT me.profile_id AS profile_id, other.id AS other_id, other.profile_id AS other_profile_id,
            (SELECT jsonb_object_agg(field, encode(bits, 'hex')) FROM likeness
                WHERE workspace_id = $1 AND subject_id = $2 AND version = near.version AND bits <> '') AS filters,
            (SELECT jsonb_object_agg(field, encode(bits, 'hex')) FROM likeness
                WHERE workspace_id = $1 AND subject_id = other.id AND version = near.version
                    AND bits <> '') AS other_filters
        FROM near
        JOIN subject AS other ON other.workspace_id = $1 AND other.id = near.subject_id
        JOIN subject AS me ON me.workspace_id = $1 AND me.id = $2 AND me.profile_id <> other.profile_id
        WHERE {_MAY_BE_ASKED}
        """,  # noqa: S608 - ours throughout
        workspace,
        subject,
        _MOST_ALIKE,
    )
    return [
        Pair(
            subject,
            row["profile_id"],
            row["other_id"],
            row["other_profile_id"],
            _bytes(row["filters"]),
            _bytes(row["other_filters"]),
        )
        for row in rows
    ]


async def may_be_asked(
    connection: Connection, workspace: UUID, pairs: Sequence[tuple[UUID, UUID]]
) -> set[tuple[UUID, UUID]]:
    """Tell of which pairs of subjects it may be asked whether they are one: not one already, and nobody objects."""
    rows = await connection.fetch(
        f"""
        SELECT me.id, other.id FROM unnest($2::uuid[], $3::uuid[]) AS pair (one, other)
        JOIN subject AS me ON me.workspace_id = $1 AND me.id = pair.one
        JOIN subject AS other ON other.workspace_id = $1 AND other.id = pair.other
            AND other.profile_id <> me.profile_id
        WHERE {_MAY_BE_ASKED}
        """,  # noqa: S608 - ours throughout
        workspace,
        [one for one, _ in pairs],
        [other for _, other in pairs],
    )
    return {(one, other) for one, other in rows}


async def put_up(
    connection: Connection,
    workspace: UUID,
    pair: tuple[UUID, UUID],
    *,
    id_: UUID,
    score: float,
    scores: Mapping[str, float],
    at: datetime,
) -> UUID | None:
    """Put two people, by a subject of each, up for review; None where the question is there already and decided."""
    one, other = sorted(pair)
    found: UUID | None = await connection.fetchval(
        """
        INSERT INTO match_candidate AS known
            (workspace_id, id, subject_id, other_subject_id, score, scores, status, found_at)
        VALUES ($1, $2, $3, $4, $5, $6, 'open', $7)
        ON CONFLICT (workspace_id, subject_id, other_subject_id) DO UPDATE SET score = excluded.score,
            scores = excluded.scores
        WHERE known.status = 'open' RETURNING id
        """,
        workspace,
        id_,
        one,
        other,
        score,
        scores,
        at,
    )
    return found


async def list_candidates(connection: Connection, workspace: UUID, status: str, limit: int) -> list[Candidate]:
    """List pairs in one status, the most alike first; open ones that were merged meanwhile are left out."""
    rows = await connection.fetch(
        f"""
        {_CANDIDATE} AND status = $2 AND (status <> 'open' OR one.profile_id <> other.profile_id)
        ORDER BY score DESC, match.id LIMIT $3
        """,
        workspace,
        status,
        limit,
    )
    return [_candidate(row) for row in rows]


async def find_candidate(connection: Connection, workspace: UUID, candidate: UUID) -> Candidate | None:
    """Read one pair."""
    row = await connection.fetchrow(f"{_CANDIDATE} AND match.id = $2", workspace, candidate)
    return _candidate(row) if row else None


async def decide_candidate(
    connection: Connection, workspace: UUID, candidate: UUID, status: str, *, actor: str, at: datetime
) -> bool:
    """Note what became of an open pair; False where somebody was first."""
    done: str = await connection.execute(
        """
        UPDATE match_candidate SET status = $3, actor = $4, decided_at = $5
        WHERE workspace_id = $1 AND id = $2 AND status = 'open'
        """,
        workspace,
        candidate,
        status,
        actor,
        at,
    )
    return done.endswith(" 1")


def _bytes(filters: Mapping[str, str] | None) -> dict[str, bytes]:
    return {field: bytes.fromhex(bits) for field, bits in (filters or {}).items()}


def _candidate(row: Any) -> Candidate:
    return Candidate(**dict(row))
