"""A person's past, whole: what their state can be worked out from again."""

from base64 import b64decode
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.consent import Purpose
from domain.event import CallType, ProtectedEvent
from stores.postgres import Connection


class Tally(msgspec.Struct, frozen=True):
    """How often an event happened of which no record is kept any more, by the name it is counted under."""

    name: str
    many: int
    first_at: datetime
    last_at: datetime


class Entry(msgspec.Struct, frozen=True):
    """When a membership began, and what led to it."""

    at: datetime
    cause: dict[str, Any]


_PAGE = 1_000


_SUBJECTS = "SELECT id, created_at FROM subject WHERE workspace_id = $1 AND profile_id = $2 ORDER BY id"


async def subjects_of(
    connection: Connection, workspace: UUID, profile: UUID, *, hold: bool = False
) -> dict[UUID, datetime]:
    """Give the subjects that a profile carries, each with when it was made.

    With `hold`, no sweep takes any of their events until the end of the transaction.
    """
    rows = await connection.fetch(f"{_SUBJECTS} FOR UPDATE" if hold else _SUBJECTS, workspace, profile)
    return dict(rows)


async def events_of(
    connection: Connection, workspace: UUID, subjects: Collection[UUID]
) -> AsyncIterator[ProtectedEvent]:
    """Read every kept event of some subjects, in no order, without identifiers. Needs the caller's transaction."""
    statement = """
        SELECT message_id, subject_id, type, name, at, received_at, purposes, properties, traits, context, sealed
        FROM event WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])
    """
    async for row in connection.cursor(statement, workspace, list(subjects), prefetch=_PAGE):
        yield recorded_event(workspace, row)


def recorded_event(workspace: UUID, row: asyncpg.Record) -> ProtectedEvent:
    """Make an event of its row, which may lack the columns `context` and `sealed`. It has no identifiers."""
    return ProtectedEvent(
        workspace=workspace,
        message_id=row["message_id"],
        subject=row["subject_id"],
        type=CallType(row["type"]),
        name=row["name"],
        at=row["at"],
        received_at=row["received_at"],
        aliases=(),
        purposes=tuple(map(Purpose, row["purposes"])),
        properties=row["properties"],
        traits=row["traits"],
        context=row.get("context", {}),
        sealed={path: b64decode(frame) for path, frame in row.get("sealed", {}).items()},
    )


async def tallies_of(connection: Connection, workspace: UUID, subjects: Collection[UUID]) -> list[Tally]:
    """Read what is still counted of events whose time was over."""
    rows = await connection.fetch(
        """
        SELECT name, many, first_at, last_at FROM event_tally WHERE workspace_id = $1 AND subject_id = ANY($2::uuid[])
        """,
        workspace,
        list(subjects),
    )
    return [Tally(*row) for row in rows]


async def entries_ended_by(
    connection: Connection, workspace: UUID, profile: UUID, cause: dict[str, Any]
) -> dict[UUID, Entry]:
    """Tell, for each segment that a profile left last for this cause, when and why it had entered."""
    rows = await connection.fetch(
        """
        SELECT last.segment_id, entered.at, entered.cause FROM (
            SELECT DISTINCT ON (segment_id) id, segment_id, kind, cause FROM segment_change
            WHERE workspace_id = $1 AND profile_id = $2 ORDER BY segment_id, id DESC
        ) AS last
        CROSS JOIN LATERAL (
            SELECT at, cause FROM segment_change AS before
            WHERE workspace_id = $1 AND profile_id = $2 AND before.segment_id = last.segment_id
                AND before.id < last.id AND before.kind = 'entered'
            ORDER BY before.id DESC LIMIT 1
        ) AS entered
        WHERE last.kind = 'exited' AND last.cause = $3
        """,
        workspace,
        profile,
        cause,
    )
    return {segment: Entry(at, cause) for segment, at, cause in rows}
