"""Whoever is no longer welcome is told so and heard of nothing more, also where nothing ever happens."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

from domain.clock import utc_now
from domain.key import KeyKind, Scope
from stores.keys import create_key, revoke_key
from tests.fixtures.gateway import Gateway
from tests.patience import AT_ALL, soonest

_CHANGES = {"query": "subscription { segmentChanges { kind } }"}
_PROMISED = 5.0


async def test_a_revoked_key_ends_idle_sockets_and_streams_within_five_seconds(gateway: Gateway) -> None:
    """What is promised is measured, the best of a few times; that both end at all, each time."""

    async def end(_number: int) -> float:
        async with AsyncExitStack() as open_:
            key, name = await _make_key(gateway)
            socket = await open_.enter_async_context(_socket(gateway))
            await socket.send_json({"type": "connection_init", "payload": {"token": name}})
            await socket.send_json({"type": "subscribe", "id": "1", "payload": _CHANGES})
            while "SNAPSHOT_END" not in (await socket.receive(timeout=AT_ALL)).data:
                pass
            headers = {"Authorization": f"Bearer {name}", "Accept": "text/event-stream"}
            stream = await open_.enter_async_context(
                gateway.http.post(gateway.url + "/graphql", json=_CHANGES, headers=headers)
            )
            while b"SNAPSHOT_END" not in await asyncio.wait_for(stream.content.readline(), AT_ALL):
                pass
            began = time.perf_counter()
            async with gateway.resources.database.workspace(gateway.tenant.workspace) as connection:
                assert await revoke_key(connection, gateway.tenant.workspace, key, utc_now())
            ended, told = await asyncio.gather(socket.receive(timeout=AT_ALL), _rest(stream))
            assert (socket.close_code, ended.extra) == (4403, "This key is not known.")
            assert "unknown_key" in told
            assert "event: complete" in told
            return time.perf_counter() - began

    assert await soonest(end, _PROMISED) < _PROMISED


async def _rest(stream: Any) -> str:
    text: bytes = await asyncio.wait_for(stream.content.read(), AT_ALL)
    return text.decode()


def _socket(gateway: Gateway) -> Any:
    return gateway.http.ws_connect(gateway.url + "/graphql", protocols=["graphql-transport-ws"])


async def _make_key(gateway: Gateway) -> tuple[Any, str]:
    async with gateway.resources.database.workspace(gateway.tenant.workspace) as connection:
        made, name = await create_key(
            connection, gateway.tenant.workspace, KeyKind.SECRET, "short-lived", scopes=Scope, at=utc_now()
        )
    return made.id, name
