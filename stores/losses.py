"""Which fields were left out of events, and how often: names and counts by day, bounded per workspace."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from stores.postgres import Connection

MOST_NAMES: Final = 1_000
"""Rows of one workspace and day. Later names are counted together under their place, as `properties.?`."""

_ADD: Final = """
    INSERT INTO dropped_field (workspace_id, day, path, reason, count, last_seen_at)
    SELECT $1, ($2::timestamptz AT TIME ZONE 'UTC')::date, path, reason, sum(count), $2
    FROM (
        SELECT CASE WHEN known.path IS NOT NULL OR named.place <= $6 THEN named.path
            ELSE split_part(named.path, '.', 1) || '.?' END AS path, named.reason, named.count
        FROM (
            SELECT given.*, row_number() OVER (ORDER BY given.path, given.reason) + (
                SELECT count(*) FROM dropped_field
                WHERE workspace_id = $1 AND day = ($2::timestamptz AT TIME ZONE 'UTC')::date) AS place
            FROM unnest($3::text[], $4::text[], $5::bigint[]) AS given (path, reason, count)
        ) AS named
        LEFT JOIN dropped_field AS known ON known.workspace_id = $1
            AND known.day = ($2::timestamptz AT TIME ZONE 'UTC')::date
            AND known.path = named.path AND known.reason = named.reason
    ) AS bounded
    GROUP BY path, reason ORDER BY path, reason
    ON CONFLICT (workspace_id, day, path, reason) DO UPDATE SET
        count = dropped_field.count + excluded.count,
        last_seen_at = greatest(dropped_field.last_seen_at, excluded.last_seen_at)
"""


class Loss(msgspec.Struct, frozen=True):
    """One field that was left out of events."""

    path: str
    reason: str
    count: int
    last_seen_at: datetime


async def add_losses(
    connection: Connection, workspace: UUID, losses: Mapping[tuple[str, str], int], at: datetime
) -> None:
    """Count (path, reason) → times on the day of `at`."""
    await connection.execute(
        _ADD,
        workspace,
        at,
        [path for path, _ in losses],
        [reason for _, reason in losses],
        list(losses.values()),
        MOST_NAMES,
    )


async def read_losses(connection: Connection, workspace: UUID, since: datetime, limit: int) -> list[Loss]:
    """Sum up what was left out since the beginning of a day, the most frequent first."""
    rows = await connection.fetch(
        """
        SELECT path, reason, sum(count)::bigint AS count, max(last_seen_at) AS last_seen_at FROM dropped_field
        WHERE workspace_id = $1 AND day >= ($2::timestamptz AT TIME ZONE 'UTC')::date
        GROUP BY path, reason ORDER BY count DESC, path, reason LIMIT $3
        """,
        workspace,
        since,
        limit,
    )
    return [Loss(*row) for row in rows]
