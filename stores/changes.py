"""The outbox of membership changes: written with their causes, numbered after commit, then published."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.segment import ChangeKind, SegmentChange
from stores.faults import Contended
from stores.postgres import Connection

CHANNEL: Final = "segment_change"
"""Called out after each commit that has changes, so that the publisher need not wait for its next look."""


class NewChange(msgspec.Struct, frozen=True):
    """A change that has no position yet."""

    profile_id: UUID
    profile_version: int
    segment_id: UUID
    segment_key: str
    segment_version: int
    kind: ChangeKind
    at: datetime
    cause: dict[str, Any]
    traceparent: str | None = None


async def add_changes(connection: Connection, workspace: UUID, changes: Sequence[NewChange]) -> None:
    """Write changes in the order given."""
    await connection.execute(
        """
        INSERT INTO segment_change
            (workspace_id, profile_id, profile_version, segment_id, segment_key, segment_version, kind, at, cause,
            traceparent)
        SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::int[], $7::text[],
            $8::timestamptz[], $9::jsonb[], $10::text[])
        """,
        workspace,
        [change.profile_id for change in changes],
        [change.profile_version for change in changes],
        [change.segment_id for change in changes],
        [change.segment_key for change in changes],
        [change.segment_version for change in changes],
        [change.kind.value for change in changes],
        [change.at for change in changes],
        [change.cause for change in changes],
        [change.traceparent for change in changes],
    )


async def call_publisher(connection: Connection) -> None:
    """Wake the publisher, after the commit: a NOTIFY inside it would make all commits of the database wait in line."""
    await connection.execute("SELECT pg_notify($1, '')", CHANNEL)


async def try_own_publishing(connection: Connection) -> bool:
    """Become the one publisher for as long as the session lasts, unless there is one."""
    owned: bool = await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended('publisher', 0))")
    return owned


async def number_changes(connection: Connection, limit: int) -> tuple[int, int]:
    """Give committed changes the next positions in the order they were written; return how many, and the last position.

    Changes of one profile are written under its lock, so their ids ascend as they commit; a change that commits later
    than one with a greater id gets a later position. Raises `Contended` where one went meanwhile with its person.
    """
    row = await connection.fetchrow(
        """
        WITH waiting AS (
            SELECT id, row_number() OVER (ORDER BY id) AS place FROM (
                SELECT id FROM segment_change WHERE position IS NULL ORDER BY id LIMIT $1) AS next
        ), numbered AS (
            UPDATE segment_change SET position = publisher.last_position + waiting.place
            FROM waiting, publisher WHERE segment_change.id = waiting.id
            RETURNING segment_change.id
        )
        UPDATE publisher SET last_position = last_position + (SELECT count(*) FROM numbered)
        WHERE EXISTS (SELECT FROM waiting)
        RETURNING (SELECT count(*) FROM waiting), (SELECT count(*) FROM numbered), last_position
        """,
        limit,
    )
    if row is None:
        return 0, await connection.fetchval("SELECT last_position FROM publisher")
    waiting, numbered, last = row
    if numbered < waiting:
        raise Contended("a change went while it was numbered")
    return numbered, last


async def read_changes(connection: Connection, after: int, limit: int) -> list[SegmentChange]:
    """Read numbered changes in order."""
    rows = await connection.fetch(
        """
        SELECT position, workspace_id, profile_id, profile_version, segment_id, segment_key, segment_version, kind, at,
            cause, traceparent
        FROM segment_change WHERE position > $1 ORDER BY position LIMIT $2
        """,
        after,
        limit,
    )
    return [
        SegmentChange(
            row["position"],
            row["workspace_id"],
            row["profile_id"],
            row["profile_version"],
            row["segment_id"],
            row["segment_key"],
            row["segment_version"],
            ChangeKind(row["kind"]),
            row["at"],
            row["cause"],
            row["traceparent"],
        )
        for row in rows
    ]


async def read_published(connection: Connection) -> int:
    """Tell the position up to which everything has been published."""
    found: int = await connection.fetchval("SELECT published_through FROM publisher")
    return found


async def unpublished_since(connection: Connection) -> datetime | None:
    """Tell when the oldest change was written that has not reached all; None where there is none. Asked as the worker.

    One that has its position may wait still: for Redis, or for the log.
    """
    found: datetime | None = await connection.fetchval(
        """
        SELECT least(
            (SELECT written_at FROM segment_change WHERE position IS NULL ORDER BY id LIMIT 1),
            (SELECT written_at FROM segment_change, publisher WHERE position > published_through
             ORDER BY position LIMIT 1))
        """
    )
    return found


async def save_published(connection: Connection, through: int) -> None:
    """Note the position up to which everything has been published.

    The note may be lost with the server: some changes are then published again. That is better than a wait for a disk.
    """
    await connection.execute("SET LOCAL synchronous_commit = off")
    await connection.execute("UPDATE publisher SET published_through = $1", through)
