"""Some people of a workspace, to ask of them what would be asked of all."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.event import ProtectedEvent
from stores.history import recorded_event
from stores.postgres import Connection


class Facts(msgspec.Struct, frozen=True):
    """What is known of a person beside their events. None of those who may not be profiled."""

    id: UUID
    traits: dict[str, dict[str, Any]]
    scores: dict[str, dict[str, Any]]


class Recorded(msgspec.Struct, frozen=True):
    """One event as it was recorded, and whose it is now."""

    profile_id: UUID
    event: ProtectedEvent


_MAY_BE_PROFILED = "merged_into IS NULL AND coalesce(restricted_at, objected_at, limited_at) IS NULL"


async def count_people(connection: Connection) -> int:
    """Count those who may be profiled."""
    found: int = await connection.fetchval(f"SELECT count(*) FROM profile WHERE {_MAY_BE_PROFILED}")  # noqa: S608 - a constant
    return found


async def list_people(connection: Connection) -> list[UUID]:
    """List all of them."""
    rows = await connection.fetch(f"SELECT id FROM profile WHERE {_MAY_BE_PROFILED} ORDER BY id")  # noqa: S608 - a constant
    return [row["id"] for row in rows]


async def sample_people(connection: Connection, percent: float, most: int) -> list[UUID]:
    """Draw about so many percent of them at random, the same ones each time. Reads the whole table."""
    rows = await connection.fetch(
        f"SELECT id FROM profile TABLESAMPLE BERNOULLI ($1) REPEATABLE (1) WHERE {_MAY_BE_PROFILED} LIMIT $2",  # noqa: S608 - a constant
        min(percent, 100.0),
        most,
    )
    return [row["id"] for row in rows]


async def read_facts(connection: Connection, ids: Collection[UUID]) -> list[Facts]:
    """Read what is known of those of some people who may be profiled."""
    rows = await connection.fetch(
        f"SELECT id, traits, scores FROM profile WHERE id = ANY($1::uuid[]) AND {_MAY_BE_PROFILED}",  # noqa: S608 - a constant
        list(ids),
    )
    return [Facts(*row) for row in rows]


async def read_recorded(
    connection: Connection, workspace: UUID, profiles: Collection[UUID], since: datetime, until: datetime
) -> list[Recorded]:
    """Read the events of some people that were received between two instants, in the order of their receipt."""
    rows = await connection.fetch(
        """
        SELECT subject.profile_id, message_id, subject_id, type, name, at, received_at, purposes, properties, traits
        FROM subject JOIN event ON event.workspace_id = subject.workspace_id AND event.subject_id = subject.id
        WHERE subject.workspace_id = $1 AND subject.profile_id = ANY($2::uuid[])
            AND event.received_at > $3 AND event.received_at <= $4
        ORDER BY received_at, at, message_id
        """,
        workspace,
        list(profiles),
        since,
        until,
    )
    return [Recorded(row["profile_id"], recorded_event(workspace, row)) for row in rows]
