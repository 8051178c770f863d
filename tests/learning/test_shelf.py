"""What gateways hold in memory, and how soon it follows what is stored."""

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.clock import utc_now
from domain.errors import StoreUnavailable
from domain.item import Item
from learning.shelf import Shelves
from stores.items import save_items
from stores.models import roll_back
from stores.postgres import Database
from tests.fixtures.gateway import Gateway
from tests.fixtures.shopping import Shopping

MANY = 30_000
LONGEST_BLOCK = 2.0
"""Seconds; before catalogues were read piece by piece, one of this size stopped everything for as long as it took."""


@pytest.fixture
def time_() -> list[datetime]:
    return [utc_now()]


@pytest.fixture
async def shelves(gateway: Gateway, time_: list[datetime]) -> Any:
    made = Shelves(gateway.resources.database, lambda: time_[0])
    yield made
    await made.close()


async def test_the_first_to_ask_after_a_while_gets_what_is_live_now(
    shopping: Shopping, gateway: Gateway, shelves: Shelves, time_: list[datetime]
) -> None:
    await shopping.crowd()
    assert [(await shopping.train()).version for _ in range(2)] == [1, 2]
    assert (await shelves.get(shopping.workspace)).model_version == 2
    worker = await Database.open(gateway.database_url, role="worker", max_size=1)
    async with worker.across() as connection:
        await roll_back(connection, shopping.workspace, utc_now())
    await worker.close()
    assert (await shelves.get(shopping.workspace)).model_version == 2
    time_[0] += timedelta(seconds=0.6)
    assert (await shelves.get(shopping.workspace)).model_version == 2  # the look goes on beside it
    await asyncio.gather(*shelves._looks.values())
    assert (await shelves.get(shopping.workspace)).model_version == 1


async def test_who_asks_seldom_waits_for_the_look(
    gateway: Gateway, shelves: Shelves, time_: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("learning.shelf._WAIT", 60.0)
    workspace = gateway.tenant.workspace
    assert (await shelves.get(workspace)).catalogue.items == {}
    worker = await Database.open(gateway.database_url, role="worker", max_size=1)
    async with worker.across() as connection:
        await save_items(connection, workspace, [Item("lamp")], "operator", utc_now())
    await worker.close()
    time_[0] += timedelta(hours=1)
    assert list((await shelves.get(workspace)).catalogue.items) == ["lamp"]


async def test_nobody_waits_long_for_a_look_and_none_fails_with_it(
    gateway: Gateway, shelves: Shelves, time_: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = gateway.tenant.workspace
    held = await shelves.get(workspace)

    async def away(*_args: Any) -> None:
        raise StoreUnavailable("Postgres is not reachable")

    async def hangs(*_args: Any) -> None:
        await asyncio.Event().wait()

    for look in (away, hangs):
        monkeypatch.setattr("learning.shelf.read_signs", look)
        time_[0] += timedelta(hours=1)
        assert await shelves.get(workspace) is held


async def test_a_big_catalogue_is_read_while_others_are_answered(gateway: Gateway, shelves: Shelves) -> None:
    workspace = gateway.tenant.workspace
    await gateway.sql(
        """
        INSERT INTO item (workspace_id, id, name, source, updated_at)
        SELECT $1, 'sku-' || n, 'Thing ' || n, 'operator', now() FROM generate_series(1, $2::int) AS n
        """,
        workspace,
        MANY,
    )
    loading = asyncio.create_task(shelves.get(workspace))
    longest, turns = 0.0, 0
    while not loading.done():
        began = time.thread_time()  # what others do to the machine is not ours to answer for
        await asyncio.sleep(0)
        longest, turns = max(longest, time.thread_time() - began), turns + 1
    assert len((await loading).catalogue.items) == MANY
    assert longest < LONGEST_BLOCK
    assert turns > MANY // 1_000
