import dataclasses
import json
from collections.abc import AsyncIterator

import msgspec
import pytest_asyncio

from tests.fixtures.gateway import Gateway, basic, event, listening
from tests.patience import AT_ALL


@pytest_asyncio.fixture
async def url(gateway: Gateway) -> AsyncIterator[str]:
    """Where the gateway listens that a site passes everything below /t/ on to."""
    settings = msgspec.structs.replace(gateway.resources.settings, base_path="/t")
    async with listening(dataclasses.replace(gateway.resources, settings=settings)) as where:
        yield where


async def test_events_are_taken_under_the_path_and_without_it(gateway: Gateway, url: str) -> None:
    for path in ("/t/v1/track", "/v1/track"):
        headers = {"Authorization": basic(gateway.tenant.write_key)}
        async with gateway.http.post(url + path, json=event(), headers=headers) as response:
            assert response.status == 200
    assert len(await gateway.logged()) == 2


async def test_the_tag_is_told_the_path_that_it_came_by(gateway: Gateway, url: str) -> None:
    for path in ("/t", ""):
        async with gateway.http.get(f"{url}{path}/tag/{gateway.tenant.write_key}.js") as response:
            first = (await response.text()).splitlines()[0]
            assert json.loads(first.removesuffix(";").split("=", 1)[1])["host"] == url + path


async def test_sockets_are_passed_on_too(gateway: Gateway, url: str) -> None:
    async with gateway.http.ws_connect(f"{url}/t/graphql", protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"token": gateway.tenant.secret_key}})
        assert (await socket.receive_json(timeout=AT_ALL))["type"] == "connection_ack"


async def test_only_the_whole_path_counts(gateway: Gateway, url: str) -> None:
    async with gateway.http.get(f"{url}/tt/healthz") as response, gateway.http.get(f"{url}/t/healthz") as other:
        assert (response.status, other.status) == (404, 200)


async def test_without_the_setting_there_is_no_such_path(gateway: Gateway) -> None:
    async with gateway.http.get(f"{gateway.url}/t/healthz") as response:
        assert response.status == 404
