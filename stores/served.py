"""The lists that were served, and what became of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from stores.postgres import Connection

SHOWN: Final = ("recommendation_shown",)
CLICKED: Final = ("recommendation_clicked",)
ATTRIBUTED_WITHIN: Final = timedelta(days=7)
"""A purchase of the clicked item by the same person counts for the list this long after the click."""


class ServedList(msgspec.Struct, frozen=True):
    """One list as it was served: `items` with how likely each was to stand where it stood. It names no person."""

    workspace: UUID
    id: UUID
    at: datetime
    strategy: str
    model_version: int | None
    personalized: bool
    context: dict[str, Any]
    items: tuple[str, ...]
    propensities: tuple[float, ...]


class Performance(msgspec.Struct, frozen=True):
    """What became of the lists of one strategy and model version."""

    strategy: str
    model_version: int | None
    lists: int
    impressions: int
    """Lists of which the tag said that they were seen."""
    clicks: int
    """Lists with at least one click, among those seen."""
    purchases: int
    """Lists of which a clicked item was bought, among those."""


async def add_served(connection: Connection, workspace: UUID, lists: Sequence[ServedList]) -> None:
    """Write lists of one workspace down; one that stands there already stays as it is."""
    await connection.execute(
        """
        INSERT INTO served_list
            (workspace_id, id, at, strategy, model_version, personalized, context, items, propensities)
        SELECT $1, id, at, strategy, model_version, personalized, context, items::text[], propensities::real[]
        FROM unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::int[], $6::boolean[], $7::jsonb[], $8::text[],
            $9::text[]) AS new (id, at, strategy, model_version, personalized, context, named, propensities)
        CROSS JOIN LATERAL (
            SELECT array_agg(each) AS items FROM jsonb_array_elements_text(named::jsonb) AS each
        ) AS listed
        WHERE items IS NOT NULL
        ON CONFLICT DO NOTHING
        """,
        workspace,
        [each.id for each in lists],
        [each.at for each in lists],
        [each.strategy for each in lists],
        [each.model_version for each in lists],
        [each.personalized for each in lists],
        [each.context for each in lists],
        [msgspec.json.encode(each.items).decode() for each in lists],  # a list in a list would be a matrix
        ["{" + ",".join(map(str, each.propensities)) + "}" for each in lists],
    )


async def forget_served(connection: Connection, workspace: UUID, before: datetime) -> None:
    """Delete the lists served before."""
    await connection.execute("DELETE FROM served_list WHERE workspace_id = $1 AND at < $2", workspace, before)


async def performance(connection: Connection, since: datetime, bought: Sequence[str]) -> list[Performance]:
    """Count what became of the lists served since, on a connection of `Database.workspace`."""
    records = await connection.fetch(
        """
        WITH seen AS (
            SELECT DISTINCT properties ->> 'list_id' AS list_id FROM event WHERE name = ANY($2::text[]) AND at > $1
        ), click AS (
            SELECT event.properties ->> 'list_id' AS list_id, event.properties ->> 'product_id' AS item,
                subject.profile_id, event.at
            FROM event JOIN subject ON subject.id = event.subject_id WHERE name = ANY($3::text[]) AND event.at > $1
        ), sale AS (
            SELECT DISTINCT click.list_id FROM click
            JOIN subject ON subject.profile_id = click.profile_id
            JOIN event ON event.subject_id = subject.id AND event.name = ANY($4::text[])
                AND event.at BETWEEN click.at AND click.at + $5::interval
            WHERE event.properties ->> 'product_id' = click.item OR event.properties @> jsonb_build_object(
                'products', jsonb_build_array(jsonb_build_object('product_id', click.item)))
        )
        SELECT strategy, model_version, count(*) AS lists, count(seen.list_id) AS impressions,
            count(*) FILTER (WHERE seen.list_id IS NOT NULL
                AND EXISTS (SELECT FROM click WHERE click.list_id = served_list.id::text)) AS clicks,
            count(*) FILTER (WHERE seen.list_id IS NOT NULL
                AND EXISTS (SELECT FROM sale WHERE sale.list_id = served_list.id::text)) AS purchases
        FROM served_list LEFT JOIN seen ON seen.list_id = served_list.id::text
        WHERE served_list.at > $1 GROUP BY strategy, model_version ORDER BY strategy, model_version
        """,
        since,
        list(SHOWN),
        list(CLICKED),
        list(bought),
        ATTRIBUTED_WITHIN,
    )
    return [Performance(*record.values()) for record in records]
