"""From stored events to a live model, on a real Postgres."""

import random
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.clock import utc_now
from domain.consent import State
from domain.errors import Refused
from learning.gleaning import Gleaner
from learning.model import unpack
from learning.training import Trainer
from stores.models import KEPT, ModelRow, add_model, go_live, list_models, live_model, read_arrays, roll_back
from stores.postgres import Database
from tests.fixtures.gateway import make_tenant
from tests.fixtures.shopping import Shopping


@pytest.fixture
async def database(shopping: Shopping) -> Any:
    opened = await Database.open(shopping.gateway.database_url, role="worker", max_size=6)
    yield opened
    await opened.close()


async def live(database: Database, shopping: Shopping) -> ModelRow | None:
    async with database.across() as connection:
        return await live_model(connection, shopping.workspace)


async def test_a_crowd_with_tastes_gives_a_model_that_goes_live(shopping: Shopping, database: Database) -> None:
    await shopping.crowd()
    trained = await shopping.train()
    assert trained.status == "published", trained.report
    assert trained.report["gain_over_popularity"]["low"] > 0
    assert (trained.report["people"], trained.report["items"]) == (120, 48)
    row = await live(database, shopping)
    assert row
    assert row.id == trained.id
    async with database.across() as connection:
        model = unpack(await read_arrays(connection, shopping.workspace, row.id), row.hash)
    assert sorted(model.item_ids) == sorted({f"t{taste}-{n}" for taste in range(4) for n in range(12)})


async def test_noise_is_not_published_and_the_report_says_why(shopping: Shopping, database: Database) -> None:
    rows, lot = [], random.Random(5)
    for _ in range(60):
        who = await shopping.person()
        items = lot.sample(range(200), 4)
        rows += [(who, f"i{item}", utc_now() - timedelta(hours=step + 1)) for step, item in enumerate(items)]
    await shopping.views(rows)
    trained = await shopping.train()
    assert trained.status == "refused"
    assert "popularity" in trained.report["reason"]
    assert await live(database, shopping) is None


async def test_too_few_people_are_told(shopping: Shopping) -> None:
    await shopping.crowd(10)
    trained = await shopping.train()
    assert (trained.status, trained.report["reason"]) == (
        "refused",
        "10 people with two items or more are too few to judge by",
    )


async def test_nothing_at_all_is_no_failure(shopping: Shopping) -> None:
    assert (await shopping.train()).status == "refused"


async def test_who_refused_or_did_not_agree_is_not_learned_from(shopping: Shopping) -> None:
    refusing = await shopping.person(State.WITHDRAWN)
    silent, agreeing = await shopping.person(), await shopping.person(State.GRANTED)
    await shopping.does(refusing, "a")
    await shopping.does(silent, "b", purposes=["analytics"])
    await shopping.does(agreeing, "c")
    trained = await shopping.train()
    assert (trained.report["people"], trained.report["items"]) == (1, 1)


async def test_what_a_browser_makes_up_does_not_stop_training(shopping: Shopping) -> None:
    who = await shopping.person()
    for rating in (10**400, -3, 1e308, "5", [4]):
        await shopping.does(who, "lamp", "product_rated", about={"rating": rating})
    await shopping.does(who, "i" * 201)
    await shopping.does(who, name="purchase", about={"products": [1, None, "rug", [2], {"product_id": ["x"]}]})
    await shopping.does(who, name="purchase", about={"products": {"product_id": "rug"}})
    trained = await shopping.train()
    assert (trained.report["people"], trained.report["events"]) == (1, 6)


async def test_three_versions_are_kept_and_one_call_goes_back(shopping: Shopping, database: Database) -> None:
    await shopping.crowd()
    versions = [await shopping.train() for _ in range(4)]
    assert [each.status for each in versions] == ["published"] * 4, versions[-1].report
    async with database.across() as connection:
        kept = [each for each in versions if await read_arrays(connection, shopping.workspace, each.id)]
        assert [each.version for each in kept] == [2, 3, 4]
        assert len(kept) == KEPT
        for expected in (3, 2):
            back = await roll_back(connection, shopping.workspace, utc_now())
            assert back
            assert back.version == expected
        assert await roll_back(connection, shopping.workspace, utc_now()) is None
        assert len(await list_models(connection, shopping.workspace, 10)) == 4
    row = await live(database, shopping)
    assert row
    assert row.version == 2


async def test_what_was_rolled_back_stays_so_until_there_is_more_to_learn(
    shopping: Shopping, database: Database
) -> None:
    await shopping.crowd(day=3)
    assert [(await shopping.train()).version for _ in range(2)] == [1, 2]
    async with database.across() as connection:
        assert await roll_back(connection, shopping.workspace, utc_now())
    again = await shopping.train()
    assert (again.version, again.status) == (3, "refused")
    assert "version 2, which was rolled back" in again.report["reason"]
    row = await live(database, shopping)
    assert row
    assert row.version == 1
    await shopping.does(await shopping.person(), "t0-1")
    assert "rolled back" not in (await shopping.train()).report["reason"]


async def test_a_rollback_passes_over_what_was_rolled_back_unless_it_is_named(
    shopping: Shopping, database: Database
) -> None:
    async def publish() -> int:
        made = ModelRow(uuid4(), 0, "published", {"events": 1}, b"", utc_now(), utc_now())
        async with database.across() as connection, connection.transaction():
            added = await add_model(connection, shopping.workspace, made, b"arrays")
            await go_live(connection, shopping.workspace, added.id, utc_now())
        return added.version

    async with database.across() as connection:
        assert [await publish() for _ in range(3)] == [1, 2, 3]
        first = await roll_back(connection, shopping.workspace, utc_now())
        assert first
        assert first.version == 2
        assert await publish() == 4
        back = await roll_back(connection, shopping.workspace, utc_now())
        assert back
        assert back.version == 2  # not 3, although it comes after
        forth = await roll_back(connection, shopping.workspace, utc_now(), 4)
        assert forth
        assert (forth.version, forth.rolled_back_at) == (4, None)
        versions = {each.version: each for each in await list_models(connection, shopping.workspace, 10)}
        assert [number for number in versions if versions[number].rolled_back_at] == [3]
        assert await roll_back(connection, shopping.workspace, utc_now(), 4) is None  # it is live
        assert await roll_back(connection, shopping.workspace, utc_now(), 9) is None


async def test_a_training_that_is_cut_short_has_not_been_one(
    shopping: Shopping, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shopping.crowd(40)
    gleaner = Gleaner(database, utc_now)

    def killed(*_args: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("learning.training._work", killed)
        with pytest.raises(MemoryError):
            await shopping.train()
    assert await gleaner.is_due(shopping.workspace, timedelta(hours=24), 200)
    await shopping.train()
    assert not await gleaner.is_due(shopping.workspace, timedelta(hours=24), 200)


async def test_a_new_model_is_compared_with_the_live_one_on_who_came_back(shopping: Shopping) -> None:
    await shopping.crowd(day=5)
    first = await shopping.train()
    assert first.report["gain_over_live"] is None
    await shopping.crowd(day=1)
    second = await shopping.train()
    assert second.report["gain_over_live"] is not None
    assert second.report["live"]["people"] == 120


async def test_one_process_trains_a_workspace_at_a_time(shopping: Shopping, database: Database) -> None:
    async with database.hold() as connection:
        await connection.fetchval(
            "SELECT pg_advisory_lock(hashtextextended('train ' || $1::text, 0))", str(shopping.workspace)
        )
        with pytest.raises(Refused, match="another process"):
            await Trainer(database, utc_now).train(shopping.workspace)


async def test_another_workspace_is_not_learned_from(shopping: Shopping, database: Database) -> None:
    await shopping.crowd(5)
    other = await make_tenant(shopping.gateway.database_url)
    trained = await Trainer(database, utc_now).train(other.workspace)
    assert trained.report["people"] == 0
