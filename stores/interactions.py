"""What people did with items, read in bulk for training. Only what they let be used for personalisation."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from stores.mentions import MENTIONED
from stores.postgres import Connection

_AT_ONCE: Final = 20_000
_READ: Final = f"""
    WITH refusing AS (
        SELECT profile_id FROM (
            SELECT DISTINCT ON (subject.profile_id) subject.profile_id, consent.state
            FROM consent JOIN subject ON subject.workspace_id = $1 AND subject.id = consent.subject_id
            WHERE consent.workspace_id = $1 AND consent.purpose = 'personalization'
            ORDER BY subject.profile_id, consent.at DESC, consent.state = 'granted'
        ) AS said WHERE state <> 'granted'
    )
    SELECT subject.profile_id::text AS person, thing.item, event.name,
        extract(epoch FROM least(event.at, event.received_at))::float8 AS at,
        thing.rating,
        coalesce(event.properties ->> 'order_id', event.message_id) AS basket
    FROM event JOIN subject ON subject.workspace_id = $1 AND subject.id = event.subject_id
    JOIN profile ON profile.workspace_id = $1 AND profile.id = subject.profile_id
        AND profile.restricted_at IS NULL AND profile.objected_at IS NULL {MENTIONED}
    WHERE event.workspace_id = $1 AND event.name = ANY($2::text[]) AND event.at > $3
        AND 'personalization' = ANY(event.purposes)
        AND subject.profile_id NOT IN (SELECT profile_id FROM refusing)
"""  # noqa: S608 - constants

Columns = tuple[list[str], list[str], list[str], list[float], list[float | None], list[str]]
"""Person, item, event name, seconds since 1970, rating and order, each a list."""


async def read_interactions(
    connection: Connection, workspace: UUID, names: Sequence[str], since: datetime
) -> AsyncIterator[Columns]:
    """Read every interaction since, in no order, some thousands at a time.

    Left out are people whose last word refuses personalisation or who have objected, and events collected without it.
    """
    async with connection.transaction(readonly=True):
        cursor = await connection.cursor(_READ, workspace, list(names), since)
        while rows := await cursor.fetch(_AT_ONCE):
            yield _columns(rows)


async def count_interactions(
    connection: Connection, workspace: UUID, names: Sequence[str], since: datetime, at_most: int
) -> int:
    """Count the events that training would read, received since; stop at `at_most`."""
    found: int = await connection.fetchval(
        """
        SELECT count(*) FROM (
            SELECT FROM event WHERE workspace_id = $1 AND name = ANY($2::text[]) AND received_at > $3
                AND 'personalization' = ANY(purposes) LIMIT $4
        ) AS counted
        """,
        workspace,
        list(names),
        since,
        at_most,
    )
    return found


def _columns(rows: Sequence[asyncpg.Record]) -> Columns:
    people, items, names, at, ratings, baskets = zip(*rows, strict=True)
    return list(people), list(items), list(names), list(at), list(ratings), list(baskets)
