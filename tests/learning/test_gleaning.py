from datetime import timedelta
from typing import Any

import pytest

from domain.clock import utc_now
from learning.gleaning import Gleaner
from stores.postgres import Database
from tests.fixtures.shopping import Shopping


@pytest.fixture
async def database(shopping: Shopping) -> Any:
    opened = await Database.open(shopping.gateway.database_url, role="worker", max_size=6)
    yield opened
    await opened.close()


async def test_items_are_gathered_from_events_but_never_over_an_operators_word(
    shopping: Shopping, database: Database
) -> None:
    gleaner, who = Gleaner(database, utc_now), await shopping.person()
    products = [{"product_id": "rug", "price": "free"}, {"product_id": "lamp", "price": 12}]
    await shopping.does(who, "lamp", about={"name": "Lamp", "category": "light", "price": 10, "image_url": "/lamp.png"})
    await shopping.does(who, name="purchase", about={"products": products})
    assert await gleaner.gather(shopping.workspace) == 2
    assert await gleaner.gather(shopping.workspace) == 0

    async def item(id_: str) -> Any:
        return await shopping.connection.fetchrow(
            "SELECT name, category, price, source FROM item WHERE workspace_id = $1 AND id = $2",
            shopping.workspace,
            id_,
        )

    assert tuple((await item("lamp")).values()) == ("Lamp", "light", 12, "event")
    assert tuple((await item("rug")).values()) == (None, None, None, "event")
    await shopping.connection.execute("UPDATE item SET source = 'operator' WHERE workspace_id = $1", shopping.workspace)
    await shopping.does(who, "lamp", about={"price": 99})
    assert await gleaner.gather(shopping.workspace) == 0


async def test_training_is_due_by_time_or_by_events_and_never_without_any(
    shopping: Shopping, database: Database
) -> None:
    gleaner = Gleaner(database, utc_now)

    async def due(hours: float, events: int) -> bool:
        return await gleaner.is_due(shopping.workspace, timedelta(hours=hours), events)

    assert not await due(0, 1)
    await shopping.crowd(5)
    assert await due(24, 1_000)  # never trained yet
    await shopping.train()
    assert not await due(0, 1)
    await shopping.crowd(2, day=0)
    await shopping.does(await shopping.person(), "t0-1")
    assert await due(0, 1_000)
    assert await due(24, 1)
    assert not await due(24, 1_000)


async def test_what_a_browser_makes_up_neither_stops_the_gathering_nor_grows_the_catalogue(
    shopping: Shopping, database: Database
) -> None:
    who = await shopping.person()
    await shopping.does(who, "vast", about={"price": 10**400, "name": "n" * 501})
    await shopping.does(who, "i" * 201)
    await shopping.does(who, "lamp", about={"price": 12})
    assert await Gleaner(database, utc_now).gather(shopping.workspace) == 2
    rows = await shopping.connection.fetch(
        "SELECT id, name, price FROM item WHERE workspace_id = $1 ORDER BY id", shopping.workspace
    )
    assert [tuple(row.values()) for row in rows] == [("lamp", None, 12), ("vast", None, None)]


async def test_it_is_known_which_items_one_person_alone_has_named(shopping: Shopping, database: Database) -> None:
    gleaner = Gleaner(database, utc_now)
    one, other = await shopping.person(), await shopping.person()

    async def alone() -> set[str]:
        rows = await shopping.connection.fetch(
            "SELECT id FROM item WHERE workspace_id = $1 AND told_by IS NOT NULL", shopping.workspace
        )
        return {row["id"] for row in rows}

    for item in ("lamp", "rug", "gift"):
        await shopping.does(one, item)
    await shopping.does(other, "rug")
    await gleaner.gather(shopping.workspace)
    assert await alone() == {"lamp", "gift"}
    await shopping.does(other, "lamp")
    await gleaner.gather(shopping.workspace)
    assert await alone() == {"gift"}
