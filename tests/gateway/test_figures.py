"""What a gateway tells of its subscribers and of itself."""

from typing import Any

import pytest

from resolvers.node import to_global
from tests.fixtures.figures import counted
from tests.fixtures.gateway import Gateway
from tests.fixtures.graphql import eventually
from tests.fixtures.seeds import Seeds
from tests.patience import AT_ALL

_CHANGES = {"query": 'subscription { segmentChanges(segmentKeys: ["vip"]) { kind } }'}


async def test_subscriptions_are_counted_and_what_is_pushed_is_timed(gateway: Gateway, seeds: Seeds) -> None:
    await seeds.segment("vip")
    person = await seeds.profile(user_id="u-1")
    pushed, took = (counted(gateway, f"tagway_push_seconds_{what}") for what in ("count", "sum"))
    open_, sockets = counted(gateway, "tagway_subscriptions"), counted(gateway, "tagway_streams", kind="graphql")
    async with gateway.http.ws_connect(gateway.url + "/graphql", protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"token": gateway.tenant.secret_key}})
        await socket.receive_json(timeout=AT_ALL)
        await socket.send_json({"id": "1", "type": "subscribe", "payload": _CHANGES})
        await socket.receive_json(timeout=AT_ALL)  # the snapshot, which is no push
        assert counted(gateway, "tagway_subscriptions") == open_ + 1
        assert counted(gateway, "tagway_streams", kind="graphql") == sockets + 1
        await seeds.happen(person, "vip")
        await socket.receive_json(timeout=AT_ALL)

        async def timed() -> bool:
            return counted(gateway, "tagway_push_seconds_count") == pushed + 1

        await eventually(timed)
        assert counted(gateway, "tagway_push_seconds_sum") > took

    async def ended() -> bool:
        return counted(gateway, "tagway_subscriptions") == open_

    await eventually(ended)


async def test_a_gateway_tells_its_memory_and_processor_time(gateway: Gateway) -> None:
    assert counted(gateway, "process_resident_memory_bytes") > 10_000_000
    assert counted(gateway, "process_cpu_seconds_total") > 0
    async with gateway.http.get(gateway.url + "/metrics") as response:
        assert "process_resident_memory_bytes" in await response.text()


async def test_what_fails_within_an_operation_is_counted_by_its_code_as_well(
    gateway: Gateway, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trip(*_arguments: Any) -> Any:
        raise RuntimeError("nobody foresaw this")

    person = await seeds.profile(user_id="u-1")
    monkeypatch.setattr("stores.reads.profiles.by_ids", trip)
    failed = counted(gateway, "tagway_failures_total", code="internal")
    query = "query ($id: ID!) { node(id: $id) { id ... on Profile { traits } } }"
    asked = {"query": query, "variables": {"id": to_global("Profile", person)}}
    async with gateway.http.post(
        gateway.url + "/graphql", json=asked, headers={"Authorization": f"Bearer {gateway.tenant.secret_key}"}
    ) as response:
        assert (await response.json())["errors"][0]["extensions"]["code"] == "internal"
    assert counted(gateway, "tagway_failures_total", code="internal") == failed + 1
    async with gateway.http.ws_connect(gateway.url + "/graphql", protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"token": gateway.tenant.secret_key}})
        await socket.receive_json(timeout=AT_ALL)
        await socket.send_json({"id": "1", "type": "subscribe", "payload": asked})
        await socket.receive_json(timeout=AT_ALL)
    assert counted(gateway, "tagway_failures_total", code="internal") == failed + 2
