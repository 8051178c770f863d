import msgspec
import pytest

from gateway.settings import Settings
from gateway.warming import Warming
from tests.fixtures.gateway import Gateway
from tests.fixtures.shopping import Shopping


async def readiness(gateway: Gateway) -> tuple[int, str]:
    async with gateway.http.get(gateway.url + "/readyz") as response:
        return response.status, (await response.json())["status"]


async def test_live_models_are_loaded_before_anyone_asks(
    gateway: Gateway, gateway_settings: Settings, shopping: Shopping
) -> None:
    await shopping.crowd()
    await shopping.train()
    recommender = gateway.resources.recommender
    await shopping.restock()
    warming = await Warming.of(gateway_settings, recommender)
    assert not warming.over
    assert shopping.workspace not in recommender._shelves._shelves
    await warming.run()
    assert warming.over
    assert recommender._shelves._shelves[shopping.workspace].model_version == 1
    assert recommender._trending._lists[shopping.workspace][1]


async def test_the_gateway_is_ready_once_they_are(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await readiness(gateway) == (200, "ready")
    monkeypatch.setattr(gateway.resources.warming, "over", False)
    assert await readiness(gateway) == (503, "warming")


async def test_a_gateway_that_cannot_load_them_begins_all_the_same(
    gateway: Gateway, gateway_settings: Settings
) -> None:
    unreachable = msgspec.structs.replace(gateway_settings, postgres_url="postgresql://nobody@127.0.0.1:1/none")
    warming = await Warming.of(unreachable, gateway.resources.recommender)
    await warming.run()
    assert warming.over
