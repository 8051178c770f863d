"""A Redis that answers, but with errors: as one that is away it costs time, and neither events nor answers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest
import redis.asyncio

from gateway.settings import Settings
from gateway.wiring import open_resources
from stores.embedded.valkey import EmbeddedValkey
from tests.fixtures.gateway import Gateway, event, listening, make_tenant
from tests.patience import AT_ALL

Command = tuple[str, ...]


class Refusal(NamedTuple):
    """What makes the server refuse, and what makes it well again."""

    begin: tuple[Command, ...]
    end: tuple[Command, ...]


REFUSALS = {
    "full": Refusal((("CONFIG", "SET", "maxmemory", "1"),), (("CONFIG", "SET", "maxmemory", "0"),)),
    "a replica": Refusal((("REPLICAOF", "127.0.0.1", "1"),), (("REPLICAOF", "NO", "ONE"),)),
    "forbidden": Refusal(
        (("ACL", "SETUSER", "default", "-@all", "+acl", "+ping"),), (("ACL", "SETUSER", "default", "+@all"),)
    ),
}
QUERY = """mutation { saveItems(input: {items: [{productId: "lamp", name: "Lamp"}]}) { __typename } }"""


@pytest.fixture(scope="module")
async def refusing(server_folder: Path) -> AsyncIterator[EmbeddedValkey]:
    server = EmbeddedValkey(server_folder / "refusing-valkey", volatile=True)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="module")
async def beside(gateway_settings: Settings, refusing: EmbeddedValkey) -> AsyncIterator[Gateway]:
    """A gateway on that Redis, which asks it for room for every few events."""
    settings = msgspec.structs.replace(
        gateway_settings, redis_url=refusing.url, events_per_second=100, events_at_once=10_000
    )
    url = str(settings.postgres_url)
    async with open_resources(settings) as resources, aiohttp.ClientSession() as http, listening(resources) as address:
        yield Gateway(address, await make_tenant(url), url, http, resources)


async def _tell(server: EmbeddedValkey, commands: tuple[Command, ...]) -> None:
    async with redis.asyncio.Redis.from_url(server.url, protocol=2) as client:
        for command in commands:
            await client.execute_command(*command)  # type: ignore[no-untyped-call]


async def readiness(gateway: Gateway) -> tuple[str, bool]:
    async with gateway.http.get(gateway.url + "/readyz") as response:
        body = await response.json()
    return body["status"], body["stores"]["redis"]


async def becomes(gateway: Gateway, status: str) -> None:
    async with asyncio.timeout(AT_ALL):
        while (await readiness(gateway))[0] != status:
            await asyncio.sleep(0.05)


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
    beside: Gateway, refusing: EmbeddedValkey, name: str
) -> None:
    await becomes(beside, "ready")
    await beside.batch(event(), event(anonymousId="visitor-2"))
    counted_alone = _figure(beside, "tagway_limits_local_total")
    await _tell(refusing, REFUSALS[name].begin)
    try:
        for number in range(3):
            results = await beside.batch(event(anonymousId=f"{name}-{number}"), event())
            assert [result["outcome"] for result in results] == ["accepted", "accepted"]
        assert _figure(beside, "tagway_limits_local_total") > counted_alone
        assert await _ask(beside, '{ profile(by: {externalId: "nobody"}) { id } }') == {"profile": None}
        assert (await _ask(beside, QUERY))["saveItems"]["__typename"] == "ItemsPayload"
        key = {"Authorization": f"Bearer {beside.tenant.secret_key}"}
        status, answer = await beside.post("/recommend", {"customer_id": "12345"}, headers=key)
        assert (status, answer.get("strategy")) == (200, "trending")
        assert await readiness(beside) == ("degraded", False)
    finally:
        await _tell(refusing, REFUSALS[name].end)
    await becomes(beside, "ready")
    await beside.batch(event())
