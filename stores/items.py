"""The catalogue of what a workspace offers."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import asyncpg
import msgspec

from domain.item import Item
from stores.mentions import fits, number
from stores.postgres import Connection

Source = Literal["operator", "event"]

_AT_ONCE: Final = 1_000
"""Few enough that whoever reads a whole catalogue answers others between them."""
_COLUMNS: Final = "id, name, category, price, image_url, available, attributes"
_SAVE: Final = """
    INSERT INTO item (workspace_id, id, name, category, price, image_url, available, attributes, source, updated_at)
    SELECT $1, new.*, $9, $10
    FROM unnest($2::text[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::boolean[], $8::jsonb[])
        AS new (id, name, category, price, image_url, available, attributes)
    ON CONFLICT (workspace_id, id) DO UPDATE SET
        name = excluded.name, category = excluded.category, price = excluded.price, image_url = excluded.image_url,
        available = excluded.available, attributes = excluded.attributes, source = excluded.source,
        updated_at = excluded.updated_at, removed = false, told_by = NULL
"""
_PRICE: Final = number("said -> 'price'")
_TOLD: Final = f"""
    WITH told AS (
        SELECT thing.*, event.at, event.subject_id FROM event CROSS JOIN LATERAL (
            SELECT event.properties AS said
            UNION ALL
            SELECT each FROM jsonb_array_elements(
                CASE WHEN jsonb_typeof(event.properties -> 'products') = 'array'
                THEN event.properties -> 'products' ELSE '[]' END) AS each
        ) AS thing
        WHERE event.workspace_id = $1 AND event.name = ANY($2::text[]) AND event.received_at > $3
    )
    SELECT said ->> 'product_id' AS id,
        (array_agg(said ->> 'name' ORDER BY at DESC) FILTER (WHERE {fits("said ->> 'name'", "name")}))[1] AS name,
        (array_agg(said ->> 'category' ORDER BY at DESC)
            FILTER (WHERE {fits("said ->> 'category'", "category")}))[1] AS category,
        (array_agg({_PRICE} ORDER BY at DESC) FILTER (WHERE {_PRICE} IS NOT NULL))[1] AS price,
        (array_agg(said ->> 'image_url' ORDER BY at DESC)
            FILTER (WHERE {fits("said ->> 'image_url'", "image_url")}))[1] AS image_url,
        CASE WHEN count(DISTINCT subject_id) = 1 THEN (array_agg(subject_id))[1] END AS told_by
    FROM told WHERE {fits("said ->> 'product_id'", "id")}
    GROUP BY said ->> 'product_id'
"""  # noqa: S608 - constants
_LEARN: Final = """
    INSERT INTO item (workspace_id, id, name, category, price, image_url, told_by, source, updated_at)
    SELECT $1, new.*, 'event', $8
    FROM unnest($2::text[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::uuid[]) AS new
    ON CONFLICT (workspace_id, id) DO UPDATE SET
        name = coalesce(excluded.name, item.name), category = coalesce(excluded.category, item.category),
        price = coalesce(excluded.price, item.price), image_url = coalesce(excluded.image_url, item.image_url),
        told_by = CASE WHEN item.told_by = excluded.told_by THEN item.told_by END, updated_at = excluded.updated_at
    WHERE item.source = 'event' AND NOT item.removed AND (
        coalesce(excluded.name, item.name) IS DISTINCT FROM item.name
        OR coalesce(excluded.category, item.category) IS DISTINCT FROM item.category
        OR coalesce(excluded.price, item.price) IS DISTINCT FROM item.price
        OR coalesce(excluded.image_url, item.image_url) IS DISTINCT FROM item.image_url
        OR (item.told_by IS NOT NULL AND excluded.told_by IS DISTINCT FROM item.told_by)
    )
"""


class Changed(msgspec.Struct, frozen=True):
    """An item as it is now; None once it is removed."""

    id: str
    item: Item | None
    at: datetime


async def save_items(
    connection: Connection, workspace: UUID, items: Sequence[Item], source: Source, at: datetime
) -> None:
    """Write items as they shall be, whole; of two with one id the last counts."""
    rows = list({item.id: item for item in items}.values())
    async with connection.transaction():
        await connection.execute(
            _SAVE,
            workspace,
            [item.id for item in rows],
            [item.name for item in rows],
            [item.category for item in rows],
            [item.price for item in rows],
            [item.image_url for item in rows],
            [item.available for item in rows],
            [item.attributes for item in rows],
            source,
            await _stamp(connection, workspace, at),
        )


async def remove_items(connection: Connection, workspace: UUID, ids: Sequence[str], at: datetime) -> list[str]:
    """Take items out of the catalogue, so that events do not bring them back; return those that were in it."""
    async with connection.transaction():
        rows = await connection.fetch(
            """
            UPDATE item SET removed = true, source = 'operator', updated_at = $3
            WHERE workspace_id = $1 AND id = ANY($2::text[]) AND NOT removed RETURNING id
            """,
            workspace,
            list(ids),
            await _stamp(connection, workspace, at),
        )
    return [row["id"] for row in rows]


async def gather_items(
    connection: Connection, workspace: UUID, names: Sequence[str], since: datetime, at: datetime
) -> int:
    """Learn items from events received since, as far as no operator has stated them; return how many are news."""
    # Read before the stamp is taken: others may change the catalogue while many events are looked through.
    told = await connection.fetch(_TOLD, workspace, list(names), since)
    if not told:
        return 0
    columns = [list(column) for column in zip(*told, strict=True)]
    async with connection.transaction():
        done: str = await connection.execute(_LEARN, workspace, *columns, await _stamp(connection, workspace, at))
    return int(done.rpartition(" ")[2])


async def changed_items(
    connection: Connection, workspace: UUID, since: datetime | None
) -> AsyncIterator[list[Changed]]:
    """Read the items whose stamp is above `since`, some at a time; without it, all."""
    async with connection.transaction(readonly=True):
        cursor = await connection.cursor(
            f"""
            SELECT {_COLUMNS}, removed, updated_at FROM item
            WHERE workspace_id = $1 AND updated_at > coalesce($2, '-infinity'::timestamptz)
            """,  # noqa: S608 - a constant
            workspace,
            since,
        )
        while records := await cursor.fetch(_AT_ONCE):
            yield [
                Changed(record["id"], None if record["removed"] else _item(record), record["updated_at"])
                for record in records
            ]


async def find_items(connection: Connection, ids: Sequence[str]) -> dict[str, Item]:
    """Find items by id, on a connection of `Database.workspace`."""
    records = await connection.fetch(f"SELECT {_COLUMNS} FROM item WHERE id = ANY($1::text[]) AND NOT removed", ids)  # noqa: S608 - a constant
    return {record["id"]: _item(record) for record in records}


async def page_of_items(connection: Connection, size: int, after: str | None) -> list[Item]:
    """List items in the order of their ids, on a connection of `Database.workspace`."""
    records = await connection.fetch(
        f"SELECT {_COLUMNS} FROM item WHERE NOT removed AND ($1::text IS NULL OR id > $1) ORDER BY id LIMIT $2",  # noqa: S608 - a constant
        after,
        size,
    )
    return [_item(record) for record in records]


async def count_items(connection: Connection, at_most: int) -> int:
    """Count the items, stopping at `at_most`, on a connection of `Database.workspace`."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM (SELECT FROM item WHERE NOT removed LIMIT $1) AS counted", at_most
    )
    return found


async def _stamp(connection: Connection, workspace: UUID, at: datetime) -> datetime:
    """Give a change its stamp: above that of every change before, whatever the clocks of the writers say.

    Other changes of the workspace wait until this one is committed, so that stamps rise in the order of commits and
    whoever asks for what is above the highest stamp that they know misses nothing.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('items ' || $1::text, 0))", str(workspace))
    stamp: datetime = await connection.fetchval(
        """
        SELECT greatest($2::timestamptz, max(updated_at) + interval '1 microsecond') FROM item WHERE workspace_id = $1
        """,
        workspace,
        at,
    )
    return stamp


def _item(record: asyncpg.Record) -> Item:
    return Item(
        id=record["id"],
        name=record["name"],
        category=record["category"],
        price=record["price"],
        image_url=record["image_url"],
        available=record["available"],
        attributes=record["attributes"],
    )
