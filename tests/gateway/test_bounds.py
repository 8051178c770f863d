"""Every way in is bounded: how long a request may take to arrive, how much of many, and how many listen at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from domain.clock import utc_now
from gateway.auth import mint_end_user_token
from tests.fixtures.figures import counted
from tests.fixtures.gateway import Gateway, event, make_tenant
from tests.fixtures.graphql import eventually
from tests.patience import AT_ALL

_CHANGES = "subscription { segmentChanges { kind segmentKey } }"


def _socket(gateway: Gateway) -> Any:
    return gateway.http.ws_connect(gateway.url + "/graphql", protocols=["graphql-transport-ws"])


async def _greeted(gateway: Gateway, stack: AsyncExitStack, token: str) -> Any:
    """Open a socket, say who it is, and return what is answered."""
    socket = await stack.enter_async_context(_socket(gateway))
    await socket.send_json({"type": "connection_init", "payload": {"token": token}})
    return await socket.receive(timeout=AT_ALL)


def _stream(gateway: Gateway, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    return gateway.http.post(gateway.url + "/graphql", json={"query": _CHANGES}, headers=headers)


@pytest.mark.parametrize("beginning", [b"{", b""])
async def test_a_request_that_does_not_arrive_is_given_up(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    monkeypatch.setattr("gateway.patience._ARRIVES_WITHIN", 0.05)
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = b"POST /graphql HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    writer.write(head + beginning)
    answer = await asyncio.wait_for(reader.readuntil(b"]}"), AT_ALL)
    writer.close()
    assert b" 408 " in answer.splitlines()[0]
    assert b'"code":"request_timeout"' in answer


async def test_whoever_sends_slowly_keeps_nobody_out(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.resources.intake, "_most", 3)
    async with _beginning(gateway, 3, b"{"):
        (result,) = await gateway.batch(event())
        assert result["outcome"] == "accepted"


async def test_what_arrives_of_queries_is_bounded_with_it(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = gateway.resources.intake
    monkeypatch.setattr(intake, "_most_arriving", 3_000)
    host, port = gateway.url.removeprefix("http://").split(":")
    head = b"POST /graphql HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n"
    async with _beginning(gateway, 1, b"{" + b" " * 1_400):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head + b"{" + b" " * 2_000)
        answer = await asyncio.wait_for(reader.readuntil(b"]}"), AT_ALL)
        writer.close()
    assert b" 429 " in answer.splitlines()[0]
    assert b'"code":"too_many_requests"' in answer


async def test_what_arrives_is_bounded_in_all(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = gateway.resources.intake
    monkeypatch.setattr(intake, "_most_arriving", 3_000)
    async with _beginning(gateway, 2, b"{" + b" " * 1_400):
        assert await gateway.post("/v1/batch", {"batch": [event()]}) == (
            429,
            {"code": "too_many_requests", "message": "Too many requests; slow down."},
        )
    async with asyncio.timeout(AT_ALL):
        while intake._arriving:
            await asyncio.sleep(0.02)
    (result,) = await gateway.batch(event())
    assert result["outcome"] == "accepted"


@asynccontextmanager
async def _beginning(gateway: Gateway, many: int, beginning: bytes) -> AsyncIterator[None]:
    """Have many clients begin a body, and leave it at that."""
    host, port = gateway.url.removeprefix("http://").split(":")
    head = b"POST /v1/batch HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n"
    intake = gateway.resources.intake
    writers = [(await asyncio.open_connection(host, int(port)))[1] for _ in range(many)]
    try:
        for writer in writers:
            writer.write(head + beginning)
        async with asyncio.timeout(AT_ALL):
            while intake._arriving < many * len(beginning):
                await asyncio.sleep(0.02)
        yield
    finally:
        for writer in writers:
            writer.close()


async def test_a_key_and_a_visitor_have_so_many_sockets_and_streams(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = gateway.resources.graphql.streams
    monkeypatch.setattr(streams, "_most_of_one", 2)
    other = await make_tenant(gateway.database_url)
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    ann, ben = (mint_end_user_token(workspace, anonymous_id=name, now=utc_now()) for name in ("ann", "ben"))
    for token, else_ in ((gateway.tenant.secret_key, other.secret_key), (ann, ben)):
        refused = counted(gateway, "tagway_failures_total", code="too_many_requests")
        async with AsyncExitStack() as stack:
            assert "connection_ack" in (await _greeted(gateway, stack, token)).data
            stream = await stack.enter_async_context(_stream(gateway, token))
            assert stream.status == 200
            third = await _greeted(gateway, stack, token)
            assert (third.data, third.extra) == (1013, "Too many requests; slow down.")
            async with _stream(gateway, token) as fourth:
                assert (fourth.status, fourth.headers["Retry-After"]) == (429, "1")
                assert (await fourth.json())["errors"][0]["extensions"]["code"] == "too_many_requests"
            assert "connection_ack" in (await _greeted(gateway, stack, else_)).data
            async with _stream(gateway, else_) as elsewhere:
                assert elsewhere.status == 200
        assert counted(gateway, "tagway_failures_total", code="too_many_requests") == refused + 2
        await eventually(lambda: _none(gateway))


async def test_a_gateway_has_so_many_whoever_they_are(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    await eventually(lambda: _none(gateway))
    monkeypatch.setattr(gateway.resources.graphql.streams, "_most", 1)
    async with _socket(gateway) as silent:
        async with _socket(gateway) as second:
            ended = await second.receive(timeout=AT_ALL)
            assert (second.protocol, ended.data) == ("graphql-transport-ws", 1013)
        async with _stream(gateway, gateway.tenant.secret_key) as stream:
            assert stream.status == 429
        query = {"query": "{ viewer { workspace } }"}
        headers = {"Authorization": f"Bearer {gateway.tenant.secret_key}"}
        async with gateway.http.post(gateway.url + "/graphql", json=query, headers=headers) as answer:
            assert answer.status == 200
        await silent.close()


async def _none(gateway: Gateway) -> bool:
    streams = gateway.resources.graphql.streams
    return streams.open == 0 and not streams._of
