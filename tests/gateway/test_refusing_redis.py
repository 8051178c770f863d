"""A Redis that answers, but with errors: as one that is away it costs time, and neither events nor answers."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from gateway.settings import Settings
from gateway.wiring import open_resources
from stores.embedded.valkey import EmbeddedValkey
from tests.fixtures.gateway import Gateway, event, listening, make_tenant
from tests.fixtures.refusing import REFUSALS, becomes, readiness, refused

QUERY = """mutation { saveItems(input: {items: [{productId: "lamp", name: "Lamp"}]}) { __typename } }"""


@pytest.fixture(scope="module")
async def beside(gateway_settings: Settings, moody_valkey: EmbeddedValkey) -> AsyncIterator[Gateway]:
    """A gateway on that Redis, which asks it for room for every few events."""
    settings = msgspec.structs.replace(
        gateway_settings, redis_url=moody_valkey.url, events_per_second=100, events_at_once=10_000
    )
    url = str(settings.postgres_url)
    async with open_resources(settings) as resources, aiohttp.ClientSession() as http, listening(resources) as address:
        yield Gateway(address, await make_tenant(url), url, http, resources)


async def _ask(gateway: Gateway, query: str) -> Any:
    key = {"Authorization": f"Bearer {gateway.tenant.secret_key}"}
    status, answer = await gateway.post("/graphql", {"query": query}, headers=key)
    assert status == 200, answer
    assert "errors" not in answer
    return answer["data"]


def _figure(gateway: Gateway, name: str) -> float:
    lines = gateway.resources.metrics.expose().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_redis_that_refuses_costs_no_event_and_no_answer(
    beside: Gateway, moody_valkey: EmbeddedValkey, name: str
) -> None:
    await becomes(beside, "ready")
    await beside.batch(event(), event(anonymousId="visitor-2"))
    counted_alone = _figure(beside, "tagway_limits_local_total")
    async with refused(moody_valkey, name):
        for number in range(3):
            results = await beside.batch(event(anonymousId=f"{name}-{number}"), event())
            assert [result["outcome"] for result in results] == ["accepted", "accepted"]
        assert _figure(beside, "tagway_limits_local_total") > counted_alone
        assert await _ask(beside, '{ profile(by: {externalId: "nobody"}) { id } }') == {"profile": None}
        assert (await _ask(beside, QUERY))["saveItems"]["__typename"] == "ItemsPayload"
        key = {"Authorization": f"Bearer {beside.tenant.secret_key}"}
        status, answer = await beside.post("/recommend", {"customer_id": "12345"}, headers=key)
        assert (status, answer.get("strategy")) == (200, "trending")
        ready = await readiness(beside)
        assert (ready["status"], ready["stores"]["redis"]) == ("degraded", False)
    await becomes(beside, "ready")
    await beside.batch(event())
