import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from domain.clock import utc_now
from domain.item import Item
from stores.items import Changed, changed_items, save_items
from stores.postgres import Connection, Database
from tests.fixtures.gateway import Gateway
from tests.fixtures.graphql import eventually


@pytest.fixture
async def database(gateway: Gateway) -> AsyncIterator[Database]:
    opened = await Database.open(gateway.database_url, role="worker", max_size=3)
    yield opened
    await opened.close()


async def changes(connection: Connection, workspace: UUID, since: datetime | None) -> list[Changed]:
    return [each async for some in changed_items(connection, workspace, since) for each in some]


async def test_a_change_is_seen_whatever_the_clock_of_its_writer(gateway: Gateway, database: Database) -> None:
    workspace = gateway.tenant.workspace
    async with database.across() as connection:
        await save_items(connection, workspace, [Item("lamp")], "operator", utc_now() + timedelta(minutes=1))
        (lamp,) = await changes(connection, workspace, None)
        await save_items(connection, workspace, [Item("rug")], "operator", utc_now())
        assert [each.id for each in await changes(connection, workspace, lamp.at)] == ["rug"]


async def test_a_long_import_is_seen_by_those_who_know_of_later_changes(gateway: Gateway, database: Database) -> None:
    workspace = gateway.tenant.workspace

    async def save(id_: str) -> None:
        async with database.across() as connection:
            await save_items(connection, workspace, [Item(id_)], "operator", utc_now())

    async def waits() -> bool:
        async with database.across() as connection:
            found: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return found

    async with database.across() as connection, connection.transaction():
        await save_items(connection, workspace, [Item("lamp")], "operator", utc_now() - timedelta(minutes=1))
        later = asyncio.create_task(save("rug"))
        await eventually(waits)
    await later
    async with database.across() as connection:
        found = await changes(connection, workspace, None)
    assert [each.id for each in sorted(found, key=lambda change: change.at)] == ["lamp", "rug"]
