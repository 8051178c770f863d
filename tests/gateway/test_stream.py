"""Batches over one open connection, as a server or an app would send them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from domain.errors import Refused
from domain.pace import Pace
from gateway.streams import Streams
from tests.fixtures.gateway import Gateway, basic, event, make_tenant
from tests.patience import AT_ALL

Socket = aiohttp.ClientWebSocketResponse


def _opening(gateway: Gateway, key: str = "") -> Any:
    headers = {"Authorization": basic(key or gateway.tenant.write_key)}
    return gateway.http.ws_connect(f"{gateway.url}/v1/stream", headers=headers)


@pytest.fixture
async def socket(gateway: Gateway) -> AsyncIterator[Socket]:
    """An open stream."""
    async with asyncio.timeout(AT_ALL), _opening(gateway) as opened:
        yield opened


async def _ask(socket: Socket, frame: dict[str, Any]) -> Any:
    await socket.send_json(frame)
    return await socket.receive_json(timeout=AT_ALL)


async def _end(socket: Socket) -> tuple[int | None, str]:
    ended = await socket.receive(timeout=AT_ALL)
    assert ended.type is aiohttp.WSMsgType.CLOSE
    return ended.data, ended.extra or ""


async def test_each_frame_is_answered_in_turn_once_it_is_kept(gateway: Gateway, socket: Socket) -> None:
    events = [event(messageId=f"m-{uuid4()}") for _ in range(6)]
    for number in range(3):
        await socket.send_json({"id": number, "batch": events[2 * number : 2 * number + 2]})
    answers = [await socket.receive_json(timeout=AT_ALL) for _ in range(3)]
    assert [(each["id"], each["status"], each["success"]) for each in answers] == [(n, 200, True) for n in range(3)]
    assert [result["message_id"] for each in answers for result in each["results"]] == [e["messageId"] for e in events]
    assert [each.message_id for each in await gateway.logged()] == [each["messageId"] for each in events]


async def test_what_cannot_be_taken_is_told_by_frame_and_the_stream_goes_on(socket: Socket) -> None:
    refused = await _ask(socket, {"id": "a", "batch": [{}] * 2_501})
    assert (refused["id"], refused["status"], refused["code"]) == ("a", 413, "request_too_large")
    assert (await _ask(socket, {"id": "b"}))["code"] == "invalid_request"
    one = await _ask(socket, {"id": "c", "batch": [{"type": "nonsense"}, event()]})
    assert [each["outcome"] for each in one["results"]] == ["invalid", "accepted"]


async def test_half_a_character_is_read_as_over_http(gateway: Gateway, socket: Socket) -> None:
    answer = await _ask(socket, {"id": "\ud83d", "batch": [event(properties={"product_id": "p\ud83d"})]})
    assert (answer["id"], answer["status"], answer["counts"]) == ("\ufffd", 200, {"accepted": 1})
    [logged] = await gateway.logged()
    assert logged.properties == {"product_id": "p\ufffd"}


async def test_what_is_no_frame_ends_the_stream(socket: Socket) -> None:
    await socket.send_str("[")
    assert (await _end(socket))[0] == 4400


async def test_a_frame_that_nobody_may_send_so_large_is_not_held(socket: Socket) -> None:
    await socket.send_str(json.dumps({"batch": ["x" * 300_000]}))
    assert (await _end(socket))[0] == 1009


async def test_a_key_that_is_not_good_opens_no_stream(gateway: Gateway) -> None:
    async with _opening(gateway, "tagway_write_nobody") as socket:
        assert await _end(socket) == (4401, "unknown_key: This key is not known.")
    async with _opening(gateway, gateway.tenant.secret_key) as socket:
        assert (await _end(socket))[0] == 4403
    guarded = await make_tenant(gateway.database_url, f"shop-{uuid4().hex}", origins=["https://shop.example"])
    address = f"{gateway.url}/v1/stream?writeKey={guarded.write_key}"
    async with gateway.http.ws_connect(address, origin="https://other.example") as socket:
        assert (await _end(socket))[0] == 4403
    async with gateway.http.ws_connect(address, origin="https://shop.example") as socket:
        assert (await _ask(socket, {"id": 1, "batch": [event()]}))["status"] == 200


async def test_a_key_has_so_many_streams_and_so_many_events(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.resources.streams, "_most_of_one", 2)
    other = await make_tenant(gateway.database_url, f"shop-{uuid4().hex}")
    async with _opening(gateway) as first, _opening(gateway) as second:
        assert (await _ask(first, {"id": 1, "batch": [event()]}))["status"] == 200
        assert (await _ask(second, {"id": 1, "batch": [event()]}))["status"] == 200
        async with _opening(gateway) as third:
            assert (await _end(third))[0] == 1013
        async with _opening(gateway, other.write_key) as elsewhere:
            assert (await _ask(elsewhere, {"id": 1, "batch": [event()]}))["status"] == 200
        monkeypatch.setattr(gateway.resources.limit, "_pace", Pace(1, 3))
        fast = await _ask(first, {"id": 2, "batch": [event()] * 4})
        assert (fast["status"], fast["code"]) == (429, "too_many_events")
        assert fast["retryAfter"] >= 1
        assert (await _ask(first, {"id": 3, "batch": [event()]}))["status"] == 200


def test_places_are_given_back() -> None:
    streams, key = Streams(most=1, most_of_one=1), uuid4()
    for _ in range(3):
        with streams.enter(key):
            assert (streams.open, dict(streams._of)) == (1, {key: 1})
        with pytest.raises(Refused), streams.enter() as place, Streams(1, 0).enter(key):
            place.belong(key)
    assert (streams.open, dict(streams._of)) == (0, {})
