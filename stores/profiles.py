"""Profiles with what the builder keeps beside them, leaf states and memberships: locked, read and written in bulk."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from stores.postgres import Connection


class Membership(msgspec.Struct):
    """A profile's place in one segment, as of the segment's version that it was last judged by."""

    segment_id: UUID
    segment_key: str
    segment_version: int
    entered_at: datetime
    expires_at: datetime | None
    cause: dict[str, Any]


class LeafState(msgspec.Struct):
    """The newest stamps of one leaf in microseconds, newest first, and when the leaf must be looked at again."""

    stamps: list[int]
    due_at: datetime | None = None


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
    leaves: dict[bytes, LeafState] = {}
    memberships: dict[UUID, Membership] = {}


class Removal(msgspec.Struct, frozen=True):
    """A membership that ends."""

    profile_id: UUID
    segment_id: UUID


async def lock_profiles(connection: Connection, workspace: UUID, ids: Iterable[UUID]) -> dict[UUID, Profile]:
    """Lock and read the rows that exist, in the order of their ids, so that no two builders wait in a circle."""
    rows = await connection.fetch(
        """
        SELECT id, version, traits, sealed, counters, first_seen_at, last_seen_at, merged_into
        FROM profile WHERE workspace_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE
        """,
        workspace,
        sorted(ids),
    )
    return {row["id"]: Profile(*row) for row in rows}


async def lock_idle_profiles(connection: Connection, workspace: UUID, ids: Collection[UUID]) -> dict[UUID, Profile]:
    """Lock and read the rows that nobody else holds, without waiting."""
    rows = await connection.fetch(
        """
        SELECT id, version, traits, sealed, counters, first_seen_at, last_seen_at, merged_into
        FROM profile WHERE workspace_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED
        """,
        workspace,
        sorted(ids),
    )
    return {row["id"]: Profile(*row) for row in rows}


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


async def load_leaves(
    connection: Connection, workspace: UUID, profiles: Mapping[UUID, Profile], wanted: Iterable[tuple[UUID, bytes]]
) -> None:
    """Read the states of some leaves of locked profiles into their working copies."""
    pairs = list(wanted)
    rows = await connection.fetch(
        """
        SELECT profile_id, leaf, stamps, due_at FROM leaf_state
        JOIN unnest($2::uuid[], $3::bytea[]) AS wanted (profile_id, leaf) USING (profile_id, leaf)
        WHERE workspace_id = $1
        """,
        workspace,
        [profile for profile, _ in pairs],
        [leaf for _, leaf in pairs],
    )
    for profile_id, leaf, stamps, due_at in rows:
        profiles[profile_id].leaves[leaf] = LeafState(stamps, due_at)


async def load_all_leaves(connection: Connection, workspace: UUID, profiles: Mapping[UUID, Profile]) -> None:
    """Read every leaf state of locked profiles into their working copies."""
    rows = await connection.fetch(
        """
        SELECT profile_id, leaf, stamps, due_at FROM leaf_state
        WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])
        """,
        workspace,
        list(profiles),
    )
    for profile_id, leaf, stamps, due_at in rows:
        profiles[profile_id].leaves[leaf] = LeafState(stamps, due_at)


async def load_memberships(connection: Connection, workspace: UUID, profiles: Mapping[UUID, Profile]) -> None:
    """Read the memberships of locked profiles into their working copies."""
    rows = await connection.fetch(
        """
        SELECT profile_id, segment_id, segment.key, segment_version, entered_at, expires_at, cause FROM membership
        JOIN segment ON segment.workspace_id = membership.workspace_id AND segment.id = segment_id
        WHERE membership.workspace_id = $1 AND profile_id = ANY($2::uuid[])
        """,
        workspace,
        list(profiles),
    )
    for profile_id, segment_id, *rest in rows:
        profiles[profile_id].memberships[segment_id] = Membership(segment_id, *rest)


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


async def save_leaves(connection: Connection, workspace: UUID, states: Sequence[tuple[UUID, bytes, LeafState]]) -> None:
    """Insert or replace leaf states of locked profiles."""
    await connection.execute(
        """
        INSERT INTO leaf_state (workspace_id, profile_id, leaf, stamps, due_at)
        SELECT $1, profile_id, leaf, stamps::bigint[], due_at
        FROM unnest($2::uuid[], $3::bytea[], $4::text[], $5::timestamptz[]) AS new (profile_id, leaf, stamps, due_at)
        ON CONFLICT (workspace_id, profile_id, leaf)
        DO UPDATE SET stamps = excluded.stamps, due_at = excluded.due_at
        """,
        workspace,
        [profile for profile, _, _ in states],
        [leaf for _, leaf, _ in states],
        ["{" + ",".join(map(str, state.stamps)) + "}" for _, _, state in states],
        [state.due_at for _, _, state in states],
    )


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
    """Insert or replace memberships of locked profiles."""
    await connection.execute(
        """
        INSERT INTO membership
            (workspace_id, profile_id, segment_id, segment_version, entered_at, expires_at, cause)
        SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::timestamptz[], $6::timestamptz[], $7::jsonb[])
        ON CONFLICT (workspace_id, segment_id, profile_id)
        DO UPDATE SET segment_version = excluded.segment_version, expires_at = excluded.expires_at
        """,
        workspace,
        [profile for profile, _ in memberships],
        [each.segment_id for _, each in memberships],
        [each.segment_version for _, each in memberships],
        [each.entered_at for _, each in memberships],
        [each.expires_at for _, each in memberships],
        [each.cause for _, each in memberships],
    )


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
