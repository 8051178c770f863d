"""Who is who: subjects, their aliases, and the profiles that carry them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from domain.alias import Alias, AliasKind
from stores.postgres import Connection


class Owner(msgspec.Struct, frozen=True):
    """The subject that an alias belongs to, and the profile that carries it."""

    subject_id: UUID
    profile_id: UUID


class Link(msgspec.Struct, frozen=True):
    """An alias that was unknown until an event showed whose it is."""

    alias: Alias
    subject_id: UUID
    at: datetime
    is_spelling: bool = False
    """True where it is a further spelling of an identifier that is known already."""


async def find_profiles(connection: Connection, workspace: UUID, subjects: Collection[UUID]) -> dict[UUID, UUID]:
    """Map subjects to the profiles that carry them now; unknown subjects are left out."""
    rows = await connection.fetch(
        "SELECT id, profile_id FROM subject WHERE workspace_id = $1 AND id = ANY($2::uuid[])", workspace, list(subjects)
    )
    return dict(rows)


async def any_moved(connection: Connection, workspace: UUID, profile_of: Mapping[UUID, UUID]) -> bool:
    """Tell whether a subject is gone or is carried by another profile than the one given."""
    moved: bool = await connection.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM unnest($2::uuid[], $3::uuid[]) AS expected (subject, profile)
            LEFT JOIN subject ON subject.workspace_id = $1 AND subject.id = expected.subject
            WHERE subject.profile_id IS DISTINCT FROM expected.profile)
        """,
        workspace,
        list(profile_of),
        list(profile_of.values()),
    )
    return moved


async def find_owners(connection: Connection, workspace: UUID, aliases: Collection[Alias]) -> dict[Alias, Owner]:
    """Map known aliases to their owners."""
    asked = list(aliases)
    rows = await connection.fetch(
        """
        SELECT asked.at, subject.id, subject.profile_id
        FROM unnest($2::text[], $3::smallint[], $4::bytea[]) WITH ORDINALITY AS asked (kind, version, index, at)
        JOIN alias ON (alias.workspace_id, alias.kind, alias.version, alias.index)
            = ($1, asked.kind, asked.version, asked.index)
        JOIN subject ON subject.workspace_id = $1 AND subject.id = alias.subject_id
        """,
        workspace,
        [alias.kind.value for alias in asked],
        [alias.version for alias in asked],
        [alias.index for alias in asked],
    )
    return {asked[at - 1]: Owner(subject_id, profile_id) for at, subject_id, profile_id in rows}


async def count_identifiers(
    connection: Connection, workspace: UUID, profiles: Collection[UUID]
) -> dict[UUID, tuple[int, dict[AliasKind, int]]]:
    """Tell, for each profile, how many subjects it carries and how many aliases of each kind.

    An alias that is indexed under several versions of a key, or in several spellings, counts once.
    """
    rows = await connection.fetch(
        """
        SELECT profile_id, NULL AS kind, count(*) AS many
        FROM subject WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) GROUP BY profile_id
        UNION ALL
        SELECT profile_id, kind, max(many) FROM (
            SELECT subject.profile_id, alias.kind, alias.version, count(*) AS many
            FROM subject
            JOIN alias ON alias.workspace_id = subject.workspace_id AND alias.subject_id = subject.id
            WHERE subject.workspace_id = $1 AND subject.profile_id = ANY($2::uuid[]) AND NOT alias.spelling
            GROUP BY subject.profile_id, alias.kind, alias.version
        ) AS version GROUP BY profile_id, kind
        """,
        workspace,
        list(profiles),
    )
    subjects = {row["profile_id"]: row["many"] for row in rows if row["kind"] is None}
    kinds: dict[UUID, dict[AliasKind, int]] = {profile: {} for profile in subjects}
    for profile_id, kind, many in rows:
        if kind is not None:
            kinds[profile_id][AliasKind(kind)] = many
    return {profile: (many, kinds[profile]) for profile, many in subjects.items()}


async def add_links(connection: Connection, workspace: UUID, links: Sequence[Link]) -> bool:
    """Store aliases of known subjects; False when somebody else stored one of them first."""
    ordered = sorted(links, key=lambda link: (link.alias.kind.value, link.alias.version, link.alias.index))
    status = await connection.execute(
        """
        INSERT INTO alias (workspace_id, kind, version, index, subject_id, first_seen_at, spelling)
        SELECT $1, * FROM unnest($2::text[], $3::smallint[], $4::bytea[], $5::uuid[], $6::timestamptz[], $7::bool[])
        ON CONFLICT DO NOTHING
        """,
        workspace,
        [link.alias.kind.value for link in ordered],
        [link.alias.version for link in ordered],
        [link.alias.index for link in ordered],
        [link.subject_id for link in ordered],
        [link.at for link in ordered],
        [link.is_spelling for link in ordered],
    )
    return int(status.rpartition(" ")[2]) == len(links)


async def move_subjects(connection: Connection, workspace: UUID, merges: Mapping[UUID, UUID]) -> None:
    """Point the subjects of each losing profile at its winner."""
    await connection.execute(
        """
        UPDATE subject SET profile_id = merge.winner
        FROM unnest($2::uuid[], $3::uuid[]) AS merge (loser, winner)
        WHERE subject.workspace_id = $1 AND subject.profile_id = merge.loser
        """,
        workspace,
        list(merges),
        list(merges.values()),
    )


async def point_subjects(connection: Connection, workspace: UUID, subjects: Collection[UUID], profile: UUID) -> None:
    """Let a profile carry some subjects."""
    await connection.execute(
        "UPDATE subject SET profile_id = $3 WHERE workspace_id = $1 AND id = ANY($2::uuid[])",
        workspace,
        list(subjects),
        profile,
    )


async def current_profiles(connection: Connection, workspace: UUID, profiles: Collection[UUID]) -> dict[UUID, UUID]:
    """Map profiles to those that they have become; unknown ones are left out."""
    rows = await connection.fetch(
        """
        WITH RECURSIVE trail AS (
            SELECT id AS asked, id, merged_into FROM profile WHERE workspace_id = $1 AND id = ANY($2::uuid[])
            UNION
            SELECT asked, next.id, next.merged_into FROM trail
            JOIN profile AS next ON next.workspace_id = $1 AND next.id = trail.merged_into
        )
        SELECT asked, id FROM trail WHERE merged_into IS NULL
        """,
        workspace,
        list(profiles),
    )
    return dict(rows)
