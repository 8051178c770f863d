import asyncio
import time

import aiohttp

from tests.fixtures.gateway import Gateway, event
from tests.patience import AT_ALL


async def test_a_process_that_is_told_to_stop_keeps_what_it_acknowledged(gateway_process: Gateway) -> None:
    acknowledged: list[str] = []

    async def visit(number: int) -> None:
        for turn in range(1_000):
            name = f"{number}-{turn}"
            try:
                status, answer = await gateway_process.post("/v1/batch", {"batch": [event(messageId=name)]})
            except aiohttp.ClientError:
                return
            if status == 503:
                assert answer["code"] == "shutting_down"
                return
            assert status == 200
            acknowledged.append(name)
            if len(acknowledged) == 100:
                gateway_process.terminate()

    await asyncio.gather(*(visit(number) for number in range(8)))
    assert len(acknowledged) >= 100
    assert {each.message_id for each in await gateway_process.logged()} >= set(acknowledged)


async def test_a_stopping_process_sends_sockets_elsewhere_and_is_not_held_up_by_streams(
    gateway_process: Gateway,
) -> None:
    key, url = gateway_process.tenant.secret_key, gateway_process.url + "/graphql"
    query = {"query": "subscription { segmentChanges { kind } }"}
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    http = gateway_process.http
    async with (
        http.ws_connect(url, protocols=["graphql-transport-ws"]) as socket,
        http.post(url, json=query, headers=headers) as stream,
    ):
        await socket.send_json({"type": "connection_init", "payload": {"token": key}})
        await socket.send_json({"type": "subscribe", "id": "1", "payload": query})
        while "SNAPSHOT_END" not in (await socket.receive(timeout=AT_ALL)).data:
            pass
        while b"SNAPSHOT_END" not in await asyncio.wait_for(stream.content.readline(), AT_ALL):
            pass
        began = time.perf_counter()
        gateway_process.terminate()
        told = [message.data async for message in socket]
        assert (socket.close_code, told) == (1012, [])
        assert b"complete" in await asyncio.wait_for(stream.content.read(), AT_ALL)
    assert gateway_process.process
    await asyncio.wait_for(gateway_process.process.wait(), AT_ALL)
    assert time.perf_counter() - began < 15  # which is what it gives its requests
