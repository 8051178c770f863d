import asyncio

import aiohttp

from tests.fixtures.gateway import Gateway, event


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
