"""Profiles with what the builder keeps beside them, leaf states and memberships: locked, read and written in bulk."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.request import Holds
from stores.postgres import Connection


class Membership(msgspec.Struct):
    """A profile's place in one segment, as of the segment's version that it was last judged by."""

    segment_id: UUID
    segment_key: str
    segment_version: int
    entered_at: datetime
    expires_at: datetime | None
    cause: dict[str, Any]
    stored: bool = False
    """True once it has a row."""


class LeafState(msgspec.Struct):
    """What one leaf keeps, and when it must be looked at again.

    A count keeps stamps in microseconds, newest first; the other leaves say themselves what their numbers are.
    """

    stamps: list[int]
    due_at: datetime | None = None
    stored: bool = False
    """True once it has a row."""


class Profile(msgspec.Struct):
    """The working copy of one locked profile inside a transaction."""

    id: UUID
    version: int
    traits: dict[str, dict[str, Any]]
    sealed: dict[str, dict[str, Any]]
    counters: dict[str, int]
    first_seen_at: datetime
    last_seen_at: datetime
    merged_into: UUID | None = None
    holds: Holds = Holds()
    scores: dict[str, dict[str, Any]] = {}
    """What models said of it: `{model: {"s": score, "c": confidence, "t": microseconds}}`."""
    leaves: dict[bytes, LeafState] = {}
    memberships: dict[UUID, Membership] = {}


_HELD: Final = len(Holds.__struct_fields__)
_UPDATE_LEAVES: Final = """
    UPDATE leaf_state SET stamps = new.stamps::bigint[], due_at = new.due_at
    FROM unnest($2::uuid[], $3::bytea[], $4::text[], $5::timestamptz[]) AS new (profile_id, leaf, stamps, due_at)
    WHERE workspace_id = $1 AND leaf_state.profile_id = new.profile_id AND leaf_state.leaf = new.leaf
"""
_INSERT_LEAVES: Final = """
    INSERT INTO leaf_state (workspace_id, profile_id, leaf, stamps, due_at)
    SELECT $1, profile_id, leaf, stamps::bigint[], due_at
    FROM unnest($2::uuid[], $3::bytea[], $4::text[], $5::timestamptz[]) AS new (profile_id, leaf, stamps, due_at)
"""
_INSERT_MEMBERSHIPS: Final = """
    INSERT INTO membership (workspace_id, profile_id, segment_id, segment_version, entered_at, expires_at, cause)
    SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::timestamptz[], $6::timestamptz[], $7::jsonb[])
"""
_UPDATE_MEMBERSHIPS: Final = """
    UPDATE membership SET segment_version = new.segment_version, expires_at = new.expires_at
    FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::timestamptz[])
        AS new (profile_id, segment_id, segment_version, expires_at)
    WHERE workspace_id = $1 AND membership.profile_id = new.profile_id AND membership.segment_id = new.segment_id
"""


class Removal(msgspec.Struct, frozen=True):
    """A membership that ends."""

    profile_id: UUID
    segment_id: UUID


async def lock_profiles(connection: Connection, workspace: UUID, ids: Collection[UUID]) -> dict[UUID, int]:
    """Lock the profiles that exist, in the order of their ids so that none wait in a circle; return their versions."""
    rows = await connection.fetch(
        "SELECT id, version FROM profile WHERE workspace_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE",
        workspace,
        sorted(ids),
    )
    return dict(rows)


async def lock_idle_profiles(connection: Connection, workspace: UUID, ids: Collection[UUID]) -> dict[UUID, int]:
    """Lock the profiles that nobody else holds, without waiting, and return their versions."""
    rows = await connection.fetch(
        """
        SELECT id, version FROM profile WHERE workspace_id = $1 AND id = ANY($2::uuid[]) ORDER BY id
        FOR UPDATE SKIP LOCKED
        """,
        workspace,
        sorted(ids),
    )
    return dict(rows)


async def read_profiles(connection: Connection, workspace: UUID, ids: Collection[UUID]) -> dict[UUID, Profile]:
    """Read locked profiles whole: with every leaf state and membership."""
    rows = await connection.fetch(
        """
        SELECT id, version, traits, sealed, counters, first_seen_at, last_seen_at, merged_into,
            restricted_at, objected_at, limited_at, scores
        FROM profile WHERE workspace_id = $1 AND id = ANY($2::uuid[])
        """,
        workspace,
        list(ids),
    )
    profiles = {row["id"]: Profile(*(*row[: -_HELD - 1], Holds(*row[-_HELD - 1 : -1]), row["scores"])) for row in rows}
    rows = await connection.fetch(
        """
        SELECT profile_id, leaf, stamps, due_at FROM leaf_state
        WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])
        """,
        workspace,
        list(ids),
    )
    for profile_id, leaf, stamps, due_at in rows:
        profiles[profile_id].leaves[leaf] = LeafState(stamps, due_at, stored=True)
    rows = await connection.fetch(
        """
        SELECT profile_id, segment_id, segment.key, segment_version, entered_at, expires_at, cause FROM membership
        JOIN segment ON segment.workspace_id = membership.workspace_id AND segment.id = segment_id
        WHERE membership.workspace_id = $1 AND profile_id = ANY($2::uuid[])
        """,
        workspace,
        list(ids),
    )
    for profile_id, segment_id, *rest in rows:
        membership = profiles[profile_id].memberships[segment_id] = Membership(segment_id, *rest)
        membership.stored = True
    return profiles


async def profiles_after(connection: Connection, workspace: UUID, after: UUID | None, limit: int) -> list[UUID]:
    """List profiles in the order of their ids, the merged ones too."""
    rows = await connection.fetch(
        "SELECT id FROM profile WHERE workspace_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3",
        workspace,
        after,
        limit,
    )
    return [row["id"] for row in rows]


async def create_profiles(connection: Connection, workspace: UUID, profiles: Mapping[UUID, datetime]) -> set[UUID]:
    """Insert profiles with the instant they were first seen; the answer lacks those that another builder made first."""
    ids = sorted(profiles)
    rows = await connection.fetch(
        """
        INSERT INTO profile (workspace_id, id, first_seen_at, last_seen_at)
        SELECT $1, id, seen_at, seen_at FROM unnest($2::uuid[], $3::timestamptz[]) AS made (id, seen_at)
        ON CONFLICT DO NOTHING RETURNING id
        """,
        workspace,
        ids,
        [profiles[each] for each in ids],
    )
    return {row["id"] for row in rows}


async def save_profiles(connection: Connection, workspace: UUID, profiles: Sequence[Profile]) -> None:
    """Write locked profiles back, at the version that their working copies say."""
    await connection.execute(
        """
        UPDATE profile SET version = new.version, traits = new.traits, sealed = new.sealed, counters = new.counters,
            first_seen_at = new.first_seen_at, last_seen_at = new.last_seen_at, merged_into = new.merged_into
        FROM unnest($2::uuid[], $3::bigint[], $4::jsonb[], $5::jsonb[], $6::jsonb[], $7::timestamptz[],
            $8::timestamptz[], $9::uuid[])
            AS new (id, version, traits, sealed, counters, first_seen_at, last_seen_at, merged_into)
        WHERE profile.workspace_id = $1 AND profile.id = new.id
        """,
        workspace,
        [profile.id for profile in profiles],
        [profile.version for profile in profiles],
        [profile.traits for profile in profiles],
        [profile.sealed for profile in profiles],
        [profile.counters for profile in profiles],
        [profile.first_seen_at for profile in profiles],
        [profile.last_seen_at for profile in profiles],
        [profile.merged_into for profile in profiles],
    )


async def save_versions(connection: Connection, workspace: UUID, profiles: Sequence[Profile]) -> None:
    """Write the versions of locked profiles of which nothing else in their own rows has changed."""
    await connection.execute(
        """
        UPDATE profile SET version = new.version FROM unnest($2::uuid[], $3::bigint[]) AS new (id, version)
        WHERE profile.workspace_id = $1 AND profile.id = new.id
        """,
        workspace,
        [profile.id for profile in profiles],
        [profile.version for profile in profiles],
    )


async def save_scores(connection: Connection, workspace: UUID, profiles: Sequence[Profile]) -> None:
    """Write what models said of locked profiles."""
    await connection.execute(
        """
        UPDATE profile SET scores = new.scores FROM unnest($2::uuid[], $3::jsonb[]) AS new (id, scores)
        WHERE profile.workspace_id = $1 AND profile.id = new.id
        """,
        workspace,
        [profile.id for profile in profiles],
        [profile.scores for profile in profiles],
    )


async def save_leaves(connection: Connection, workspace: UUID, states: Sequence[tuple[UUID, bytes, LeafState]]) -> None:
    """Write leaf states of locked profiles."""
    for statement, those in (
        (_UPDATE_LEAVES, [each for each in states if each[2].stored]),
        (_INSERT_LEAVES, [each for each in states if not each[2].stored]),
    ):
        if those:
            await connection.execute(
                statement,
                workspace,
                [profile for profile, _, _ in those],
                [leaf for _, leaf, _ in those],
                ["{" + ",".join(map(str, state.stamps)) + "}" for _, _, state in those],
                [state.due_at for _, _, state in those],
            )
    for _, _, state in states:
        state.stored = True


async def delete_leaves(connection: Connection, workspace: UUID, keys: Sequence[tuple[UUID, bytes]]) -> None:
    """Forget some leaf states of locked profiles."""
    await connection.execute(
        """
        DELETE FROM leaf_state USING unnest($2::uuid[], $3::bytea[]) AS gone (profile_id, leaf)
        WHERE workspace_id = $1 AND leaf_state.profile_id = gone.profile_id AND leaf_state.leaf = gone.leaf
        """,
        workspace,
        [profile for profile, _ in keys],
        [leaf for _, leaf in keys],
    )


async def delete_all_leaves(connection: Connection, workspace: UUID, profiles: Collection[UUID]) -> None:
    """Forget every leaf state of some locked profiles."""
    await connection.execute(
        "DELETE FROM leaf_state WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])", workspace, list(profiles)
    )


async def save_memberships(
    connection: Connection, workspace: UUID, memberships: Sequence[tuple[UUID, Membership]]
) -> None:
    """Write memberships of locked profiles."""
    begun = [each for each in memberships if not each[1].stored]
    if begun:
        await connection.execute(
            _INSERT_MEMBERSHIPS,
            workspace,
            [profile for profile, _ in begun],
            [each.segment_id for _, each in begun],
            [each.segment_version for _, each in begun],
            [each.entered_at for _, each in begun],
            [each.expires_at for _, each in begun],
            [each.cause for _, each in begun],
        )
    moved = [each for each in memberships if each[1].stored]
    if moved:
        await connection.execute(
            _UPDATE_MEMBERSHIPS,
            workspace,
            [profile for profile, _ in moved],
            [each.segment_id for _, each in moved],
            [each.segment_version for _, each in moved],
            [each.expires_at for _, each in moved],
        )
    for _, membership in begun:
        membership.stored = True


async def delete_memberships(connection: Connection, workspace: UUID, removals: Sequence[Removal]) -> None:
    """End memberships of locked profiles."""
    await connection.execute(
        """
        DELETE FROM membership USING unnest($2::uuid[], $3::uuid[]) AS gone (profile_id, segment_id)
        WHERE workspace_id = $1 AND membership.profile_id = gone.profile_id AND membership.segment_id = gone.segment_id
        """,
        workspace,
        [each.profile_id for each in removals],
        [each.segment_id for each in removals],
    )
