"""Declared traits, in every version, and how far a new one has been applied."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.trait import TraitStatus
from stores.postgres import Connection


class StoredTrait(msgspec.Struct, frozen=True):
    """One version of a declaration. While it is `building`, profiles up to `built_through` have it."""

    name: str
    version: int
    definition: Any
    """None: declared no longer."""
    status: TraitStatus
    built_through: UUID | None
    created_at: datetime


_COLUMNS: Final = "name, version, definition, status, built_through, created_at"


async def hold_traits(connection: Connection, workspace: UUID) -> None:
    """Keep others from declaring traits until the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('traits:' || $1, 0))", str(workspace))


async def read_traits(connection: Connection, workspace: UUID) -> list[StoredTrait]:
    """Read the newest version of each trait, and the one before while the newest is building, by name and version."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM (
            SELECT *, row_number() OVER (PARTITION BY name ORDER BY version DESC) AS place,
                first_value(status) OVER (PARTITION BY name ORDER BY version DESC) AS newest
            FROM trait_definition WHERE workspace_id = $1
        ) AS placed WHERE place = 1 OR (place = 2 AND newest = 'building') ORDER BY name, version
        """,  # noqa: S608 - a constant
        workspace,
    )
    return [_stored(row) for row in rows]


async def read_trait_progress(connection: Connection, workspace: UUID) -> dict[str, UUID | None]:
    """Tell, for each trait that is building, up to which profile it has come."""
    rows = await connection.fetch(
        "SELECT name, built_through FROM trait_definition WHERE workspace_id = $1 AND status = 'building'", workspace
    )
    return dict(rows)


async def add_trait(
    connection: Connection,
    workspace: UUID,
    name: str,
    definition: Mapping[str, Any] | None,
    *,
    actor: str,
    at: datetime,
) -> StoredTrait:
    """Store a new version of a trait, to be applied. One that was still being applied gives way to it."""
    await connection.execute(
        "UPDATE trait_definition SET status = 'live' WHERE workspace_id = $1 AND name = $2", workspace, name
    )
    row = await connection.fetchrow(
        f"""
        INSERT INTO trait_definition (workspace_id, name, version, definition, status, actor, created_at)
        SELECT $1, $2, coalesce(max(version), 0) + 1, $3, 'building', $4, $5 FROM trait_definition
        WHERE workspace_id = $1 AND name = $2 RETURNING {_COLUMNS}
        """,  # noqa: S608 - a constant
        workspace,
        name,
        definition,
        actor,
        at,
    )
    return _stored(row)


async def pending_traits(connection: Connection) -> list[tuple[UUID, str]]:
    """List (workspace, name) of all that wait to be applied, the longest waiting first."""
    rows = await connection.fetch(
        "SELECT workspace_id, name FROM trait_definition WHERE status = 'building' ORDER BY created_at, name"
    )
    return [tuple(row) for row in rows]


async def lock_building_trait(connection: Connection, workspace: UUID, name: str) -> StoredTrait | None:
    """Become the one who applies a trait until the end of the transaction, if nobody is."""
    row = await connection.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM trait_definition WHERE workspace_id = $1 AND name = $2 AND status = 'building'
        FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 - a constant
        workspace,
        name,
    )
    return _stored(row) if row else None


async def save_trait_progress(
    connection: Connection, workspace: UUID, trait: StoredTrait, *, through: UUID | None, status: TraitStatus
) -> None:
    """Note how far a trait has been applied, or that it is everywhere."""
    await connection.execute(
        """
        UPDATE trait_definition SET built_through = $4, status = $5
        WHERE workspace_id = $1 AND name = $2 AND version = $3
        """,
        workspace,
        trait.name,
        trait.version,
        through,
        status.value,
    )


async def share_done(connection: Connection, workspace: UUID, through: UUID | None) -> float:
    """Tell which share of the profiles, 0 to 1, has an id up to this."""
    done: float = await connection.fetchval(
        """
        SELECT coalesce(avg((id <= $2)::int), 1)::float8 FROM profile WHERE workspace_id = $1
        """,
        workspace,
        through or UUID(int=0),
    )
    return done


def _stored(row: Any) -> StoredTrait:
    return StoredTrait(
        row["name"],
        row["version"],
        row["definition"],
        TraitStatus(row["status"]),
        row["built_through"],
        row["created_at"],
    )
