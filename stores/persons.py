"""Everything that is one person: the subjects of a profile, the profiles merged into it, and all their identifiers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from domain.alias import Alias, AliasKind
from domain.consent import Purpose
from domain.request import Found, Holds
from stores.postgres import Connection
from stores.subjects import alias_columns, profile_aliases

# Forward to the profile that carries the subjects now, then back to all that were merged into it.
_FAMILY: Final = """
    WITH RECURSIVE named AS (
        SELECT subject.profile_id AS id
        FROM unnest($2::text[], $3::smallint[], $4::bytea[]) AS asked (kind, version, index)
        JOIN alias ON (alias.workspace_id, alias.kind, alias.version, alias.index)
            = ($1, asked.kind, asked.version, asked.index)
        JOIN subject ON subject.workspace_id = $1 AND subject.id = alias.subject_id
        UNION
        SELECT profile_id FROM subject WHERE workspace_id = $1 AND id = ANY($5::uuid[])
        UNION
        SELECT id FROM profile WHERE workspace_id = $1 AND id = ANY($6::uuid[])
    ), ahead AS (
        SELECT id FROM named
        UNION
        SELECT profile.merged_into FROM ahead JOIN profile ON profile.workspace_id = $1 AND profile.id = ahead.id
        WHERE profile.merged_into IS NOT NULL
    ), family AS (
        SELECT id FROM ahead
        UNION
        SELECT profile.id FROM family JOIN profile ON profile.workspace_id = $1 AND profile.merged_into = family.id
    )
    SELECT family.id FROM family LEFT JOIN profile ON profile.workspace_id = $1 AND profile.id = family.id
    ORDER BY profile.merged_into IS NOT NULL, family.id
"""


async def find_person(
    connection: Connection,
    workspace: UUID,
    *,
    aliases: Collection[Alias] = (),
    subjects: Collection[UUID] = (),
    profiles: Collection[UUID] = (),
) -> Found:
    """Find all that is known of whoever has one of these identifiers, subjects or profiles.

    The first of the profiles carries the subjects. Of someone never seen, only the identifiers asked for come back.
    """
    kinds, versions, indexes = alias_columns(aliases)
    rows = await connection.fetch(_FAMILY, workspace, kinds, versions, indexes, list(subjects), list(profiles))
    family = [row["id"] for row in rows]
    if not family:
        return Found(aliases=tuple(aliases))
    rows = await connection.fetch(
        "SELECT id FROM subject WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) ORDER BY created_at, id",
        workspace,
        family,
    )
    known = await profile_aliases(connection, workspace, family)
    return Found(
        subjects=tuple(row["id"] for row in rows),
        profiles=tuple(family),
        aliases=tuple(dict.fromkeys([*known, *aliases])),
    )


async def read_keys(connection: Connection, workspace: UUID, subjects: Collection[UUID]) -> dict[UUID, bytes]:
    """Read the wrapped data keys of subjects; those of erased people are gone."""
    rows = await connection.fetch(
        "SELECT id, wrapped_key FROM subject WHERE workspace_id = $1 AND id = ANY($2::uuid[])",
        workspace,
        list(subjects),
    )
    return dict(rows)


async def read_holds(connection: Connection, workspace: UUID, profile: UUID) -> Holds:
    """Read what the person behind a profile has asked to be held back."""
    row = await connection.fetchrow(
        "SELECT restricted_at, objected_at, limited_at FROM profile WHERE workspace_id = $1 AND id = $2",
        workspace,
        profile,
    )
    return Holds() if row is None else Holds(*row)


async def find_holds(connection: Connection, workspace: UUID, aliases: Collection[Alias]) -> Holds:
    """Read what the person with one of these identifiers has asked to be held back."""
    row = await connection.fetchrow(
        """
        SELECT min(restricted_at), min(objected_at), min(limited_at)
        FROM unnest($2::text[], $3::smallint[], $4::bytea[]) AS asked (kind, version, index)
        JOIN alias ON (alias.workspace_id, alias.kind, alias.version, alias.index)
            = ($1, asked.kind, asked.version, asked.index)
        JOIN subject ON subject.workspace_id = $1 AND subject.id = alias.subject_id
        JOIN profile ON profile.workspace_id = $1 AND profile.id = subject.profile_id
        """,
        workspace,
        *alias_columns(aliases),
    )
    return Holds(*row)


async def save_holds(connection: Connection, workspace: UUID, profile: UUID, holds: Holds) -> None:
    """Write what is held back, on a locked profile."""
    await connection.execute(
        """
        UPDATE profile SET restricted_at = $3, objected_at = $4, limited_at = $5 WHERE workspace_id = $1 AND id = $2
        """,
        workspace,
        profile,
        holds.restricted_at,
        holds.objected_at,
        holds.limited_at,
    )


async def carry_holds(connection: Connection, workspace: UUID, merges: Mapping[UUID, UUID]) -> None:
    """Let the winner of each merge hold back whatever a loser of it does, since whoever came first."""
    await connection.execute(
        """
        UPDATE profile SET
            restricted_at = least(profile.restricted_at, lost.restricted_at),
            objected_at = least(profile.objected_at, lost.objected_at),
            limited_at = least(profile.limited_at, lost.limited_at)
        FROM (
            SELECT merge.winner, min(restricted_at) AS restricted_at, min(objected_at) AS objected_at,
                min(limited_at) AS limited_at
            FROM unnest($2::uuid[], $3::uuid[]) AS merge (loser, winner)
            JOIN profile AS loser ON loser.workspace_id = $1 AND loser.id = merge.loser
            GROUP BY merge.winner
        ) AS lost
        WHERE profile.workspace_id = $1 AND profile.id = lost.winner
            AND num_nonnulls(lost.restricted_at, lost.objected_at, lost.limited_at) > 0
        """,
        workspace,
        list(merges),
        list(merges.values()),
    )


async def replace_aliases(
    connection: Connection,
    workspace: UUID,
    *,
    gone: Collection[Alias],
    new: Sequence[Alias],
    subject: UUID,
    at: datetime,
) -> bool:
    """Take identifiers from a person and give them others; False when one of the others is somebody else's.

    Of the new ones of a kind, the first is the identifier itself and the others are further spellings of it.
    """
    # One version after the other: a rotation copies an earlier to a later, and the first of these may wait for it.
    for version in sorted({alias.version for alias in gone}):
        await connection.execute(
            """
            DELETE FROM alias USING unnest($2::text[], $3::smallint[], $4::bytea[]) AS old (kind, version, index)
            WHERE (alias.workspace_id, alias.kind, alias.version, alias.index) = ($1, old.kind, old.version, old.index)
            """,
            workspace,
            *alias_columns(alias for alias in gone if alias.version == version),
        )
    await connection.execute(
        """
        INSERT INTO alias (workspace_id, kind, version, index, subject_id, first_seen_at, spelling)
        SELECT $1, kind, version, index, $5, $6, spelling
        FROM unnest($2::text[], $3::smallint[], $4::bytea[], $7::boolean[]) AS new (kind, version, index, spelling)
        ON CONFLICT DO NOTHING
        """,
        workspace,
        *alias_columns(new),
        subject,
        at,
        _spellings(new),
    )
    mine: int = await connection.fetchval(
        """
        SELECT count(*) FROM unnest($2::text[], $3::smallint[], $4::bytea[]) AS new (kind, version, index)
        JOIN alias ON (alias.workspace_id, alias.kind, alias.version, alias.index)
            = ($1, new.kind, new.version, new.index)
        JOIN subject AS owner ON owner.workspace_id = $1 AND owner.id = alias.subject_id
        JOIN subject ON subject.workspace_id = $1 AND subject.id = $5 AND subject.profile_id = owner.profile_id
        """,
        workspace,
        *alias_columns(new),
        subject,
    )
    return mine == len(new)


async def read_refusals(
    connection: Connection, workspace: UUID, profiles: Collection[UUID]
) -> dict[UUID, dict[Purpose, datetime]]:
    """Tell, for each profile whose person's last word on some purposes is no, since when."""
    rows = await connection.fetch(
        """
        SELECT profile_id, purpose, at FROM (
            SELECT DISTINCT ON (subject.profile_id, consent.purpose)
                subject.profile_id, consent.purpose, consent.state, consent.at
            FROM subject JOIN consent ON consent.workspace_id = $1 AND consent.subject_id = subject.id
            WHERE subject.workspace_id = $1 AND subject.profile_id = ANY($2::uuid[])
            ORDER BY subject.profile_id, consent.purpose, consent.at DESC, consent.state = 'granted'
        ) AS last_word
        WHERE state <> 'granted'
        """,
        workspace,
        list(profiles),
    )
    refusals: dict[UUID, dict[Purpose, datetime]] = {}
    for profile, purpose, at in rows:
        refusals.setdefault(profile, {})[Purpose(purpose)] = at
    return refusals


async def suppressed_among(connection: Connection, workspace: UUID, aliases: Collection[Alias]) -> frozenset[Alias]:
    """Tell which identifiers belong to people who are erased."""
    rows = await connection.fetch(
        """
        SELECT kind, version, index FROM suppression
        JOIN unnest($2::text[], $3::smallint[], $4::bytea[]) AS asked (kind, version, index)
            USING (kind, version, index)
        WHERE workspace_id = $1
        """,
        workspace,
        *alias_columns(aliases),
    )
    return frozenset(Alias(AliasKind(kind), version, index) for kind, version, index in rows)


def _spellings(aliases: Sequence[Alias]) -> list[bool]:
    places = [(alias.kind, alias.version) for alias in aliases]
    return [place in places[:number] for number, place in enumerate(places)]
