import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from domain.clock import utc_now
from gateway.auth import mint_end_user_token
from tests.fixtures.gateway import Gateway
from tests.fixtures.graphql import eventually
from tests.fixtures.seeds import Seeds
from tests.patience import AT_ALL

_CHANGES = "subscription { segmentChanges { kind segmentKey } }"


@asynccontextmanager
async def _socket(gateway: Gateway, protocol: str = "graphql-transport-ws", **headers: str) -> AsyncIterator[Any]:
    async with gateway.http.ws_connect(gateway.url + "/graphql", protocols=[protocol], headers=headers) as socket:
        yield socket


@asynccontextmanager
async def _open(gateway: Gateway, token: str) -> AsyncIterator[Any]:
    async with _socket(gateway) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"token": token}})
        assert await socket.receive_json(timeout=AT_ALL) == {"type": "connection_ack"}
        yield socket


async def _end(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    async with asyncio.timeout(AT_ALL):
        async for _ in socket:
            pass
    return socket.close_code


async def _subscribe(socket: aiohttp.ClientWebSocketResponse, query: str, id_: str = "1") -> None:
    await socket.send_json({"id": id_, "type": "subscribe", "payload": {"query": query}})


async def test_a_visitor_hears_of_themselves_alone(gateway: Gateway, seeds: Seeds) -> None:
    await seeds.segment("vip")
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    async with _open(gateway, mint_end_user_token(workspace, anonymous_id="a-1", now=utc_now())) as socket:
        await _subscribe(socket, _CHANGES)
        end = await socket.receive_json(timeout=AT_ALL)
        assert end["payload"]["data"]["segmentChanges"] == {"kind": "SNAPSHOT_END", "segmentKey": None}
        await seeds.happen(await seeds.visitor(anonymous_id="a-2"), "vip")
        await seeds.happen(await seeds.visitor(anonymous_id="a-1"), "vip")
        change = await socket.receive_json(timeout=AT_ALL)
        assert change["payload"]["data"]["segmentChanges"] == {"kind": "ENTERED", "segmentKey": "vip"}
        await _subscribe(socket, '{ profile(by: {anonymousId: "a-2"}) { id } }', "2")
        refused = await socket.receive_json(timeout=AT_ALL)
        assert refused["payload"]["errors"][0]["extensions"] == {"code": "wrong_kind_of_key"}
        assert (await socket.receive_json(timeout=AT_ALL))["type"] == "complete"
        with pytest.raises(TimeoutError):
            await socket.receive_json(timeout=0.2)


async def test_operations_of_one_socket_do_not_see_each_other_s_loads(gateway: Gateway, seeds: Seeds) -> None:
    await seeds.profile(user_id="u-1", traits={"plan": "free"})
    query = '{ profile(by: {externalId: "u-1"}) { traits } }'
    async with _open(gateway, gateway.tenant.secret_key) as socket:
        for plan in ("free", "pro"):
            await seeds.set("profile", "traits", {"plan": {"v": plan, "t": 1}})
            await _subscribe(socket, query)
            answer = await socket.receive_json(timeout=AT_ALL)
            assert answer["payload"]["data"] == {"profile": {"traits": {"plan": plan}}}
            assert (await socket.receive_json(timeout=AT_ALL))["type"] == "complete"


async def test_tokens_are_asked_for(gateway: Gateway) -> None:
    for payload, code in (
        ({}, 4401),
        ({"token": ""}, 4401),
        ({"token": 7}, 4401),
        ({"Authorization": "Basic abc"}, 4401),
        ({"token": "nonsense"}, 4403),
        ({"token": gateway.tenant.write_key}, 4403),
        ({"Authorization": "Bearer a.b.c"}, 4403),
    ):
        async with _socket(gateway) as socket:
            await socket.send_json({"type": "connection_init", "payload": payload})
            assert await _end(socket) == code, payload
    async with _socket(gateway) as socket:
        await _subscribe(socket, _CHANGES)
        assert await _end(socket) == 4401
    async with _socket(gateway) as socket:
        payload = {"authorization": f"Bearer {gateway.tenant.secret_key}"}
        await socket.send_json({"type": "connection_init", "payload": payload})
        assert (await socket.receive_json(timeout=AT_ALL))["type"] == "connection_ack"


async def test_a_token_that_expires_ends_its_socket(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.graphql.welcome.TOKEN_SECONDS", 0.05)
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    token = mint_end_user_token(workspace, anonymous_id="a-1", now=utc_now(), valid=timedelta(seconds=2))
    async with _open(gateway, token) as socket:
        await _subscribe(socket, _CHANGES)
        assert (await socket.receive_json(timeout=AT_ALL))["type"] == "next"
        assert await _end(socket) == 4403


@pytest.mark.parametrize(
    "frame",
    [
        "[]",
        '"text"',
        "7",
        "null",
        "true",
        "{}",
        "{",
        "",
        "[" * 100_000,
        '{"type": 7}',
        '{"type": null}',
        '{"type": ["subscribe"]}',
        '{"type": "nonsense"}',
        '{"type": "start", "id": "1"}',
        '{"type": "ping", "payload": 7}',
        '{"type": "complete"}',
        '{"type": "complete", "id": 7}',
        '{"type": "complete", "id": []}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": "1", "payload": "{ viewer }"}',
        '{"type": "subscribe", "id": "1", "payload": []}',
        '{"type": "subscribe", "id": [], "payload": {"query": "{ viewer { workspace } }"}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 7}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": null}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{"}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ ' + "x" * 500 + ' ! }"}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "fragment F on Query { viewer { workspace } }"}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ viewer { workspace } }", "variables": []}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ viewer { workspace } }", "operationName": 7}}',
        '{"type": "connection_init", "payload": 7}',
        b"\x00\x01",
        '{"type": "\ud800"}'.encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    ],
    ids=lambda frame: str(frame)[:60],
)
async def test_a_hostile_frame_is_answered_in_kind(gateway: Gateway, frame: str | bytes) -> None:
    async with _open(gateway, gateway.tenant.secret_key) as socket:
        await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))
        assert await _end(socket) == 4400


async def test_other_ways_to_break_the_protocol(gateway: Gateway) -> None:
    token = gateway.tenant.secret_key
    async with _open(gateway, token) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"token": token}})
        assert await _end(socket) == 4429
    async with _open(gateway, token) as socket:
        for _ in range(2):
            await _subscribe(socket, _CHANGES)
        assert await _end(socket) == 4409
    async with _open(gateway, token) as socket:
        await socket.send_str(json.dumps({"type": "ping", "payload": {"x": "y" * 200_000}}))
        assert await _end(socket) == 1009
    async with _socket(gateway, "graphql-ws") as socket:
        assert await _end(socket) in (4406, 1002)
    async with _open(gateway, token) as socket:
        await socket.send_json({"type": "ping"})
        assert await socket.receive_json(timeout=AT_ALL) == {"type": "pong"}
        await _subscribe(socket, "{ nothing }")
        answer = await socket.receive_json(timeout=AT_ALL)
        assert (answer["type"], answer["payload"][0]["extensions"]) == ("error", {"code": "invalid_request"})


async def test_a_socket_from_another_site_needs_no_more_than_its_token(gateway: Gateway) -> None:
    async with _socket(gateway, Origin="https://shop.example") as socket:
        await socket.send_json({"type": "connection_init", "payload": {"token": gateway.tenant.secret_key}})
        assert (await socket.receive_json(timeout=AT_ALL))["type"] == "connection_ack"


async def test_too_many_operations_are_refused_one_by_one(gateway: Gateway) -> None:
    async with _open(gateway, gateway.tenant.secret_key) as socket:
        for n in range(103):
            await _subscribe(socket, _CHANGES, str(n))
        answers = [await socket.receive_json(timeout=AT_ALL) for _ in range(103)]
    refused = [each["payload"][0]["extensions"] for each in answers if each["type"] == "error"]
    assert refused == [{"code": "too_many_requests", "retryAfter": 1}] * 3


async def test_who_leaves_is_forgotten(gateway: Gateway) -> None:
    hub = gateway.resources.graphql._services.hub
    async with _open(gateway, gateway.tenant.secret_key) as socket:
        await _subscribe(socket, _CHANGES)
        assert (await socket.receive_json(timeout=AT_ALL))["type"] == "next"
        assert gateway.tenant.workspace in hub._listeners

    async def is_forgotten() -> bool:
        return gateway.tenant.workspace not in hub._listeners

    await eventually(is_forgotten)


async def test_a_mutation_on_a_socket_or_stream_runs_once_for_each_key(gateway: Gateway, seeds: Seeds) -> None:
    """The key stands in the extensions, so that it is the same over every transport."""
    definition = {"type": "trait", "name": "plan", "op": "==", "value": "pro"}
    query = """mutation ($name: String!, $definition: JSON!) {
        saveSegment(input: {key: "s", name: $name, definition: $definition}) {
            ... on SegmentPayload { segment { name } } } }"""

    def asked(name: str, key: str) -> dict[str, Any]:
        variables = {"name": name, "definition": definition}
        return {"query": query, "variables": variables, "extensions": {"idempotencyKey": key}}

    async with _open(gateway, gateway.tenant.secret_key) as socket:

        async def save(name: str, key: str) -> Any:
            await socket.send_json({"id": "1", "type": "subscribe", "payload": asked(name, key)})
            answer = await socket.receive_json(timeout=AT_ALL)
            if answer["type"] == "next":
                assert (await socket.receive_json(timeout=AT_ALL))["type"] == "complete"
            return answer["payload"]

        first = await save("a", "k-1")
        assert first["data"]["saveSegment"]["segment"] == {"name": "a"}
        await save("b", "k-2")
        assert (await save("a", "k-1"))["data"] == first["data"]
        assert (await save("c", "k-1"))[0]["extensions"]["code"] == "key_reused"
        assert (await save("c", "not a key"))[0]["extensions"]["code"] == "invalid_request"
    _, again = await gateway.post(
        "/graphql", asked("a", "k-1"), key=None, headers={"Authorization": f"Bearer {gateway.tenant.secret_key}"}
    )
    assert again["data"] == first["data"]
    headers = {"Authorization": f"Bearer {gateway.tenant.secret_key}", "Accept": "text/event-stream"}
    async with gateway.http.post(gateway.url + "/graphql", json=asked("a", "k-1"), headers=headers) as response:
        assert b'"name":"a"' in (await response.read()).replace(b": ", b":")
    assert await seeds.value("name") == "b"
