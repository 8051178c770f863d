import asyncio

import pytest

from domain.errors import StoreUnavailable
from stores.redis import open_redis


async def test_a_client_answers(redis_url: str) -> None:
    client = await open_redis(redis_url)
    try:
        await client.set("name", "value")
        assert await client.get("name") == b"value"
    finally:
        await client.aclose()


async def test_no_server_is_a_store_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await open_redis("redis://127.0.0.1:1/0")


@pytest.mark.parametrize("steps", range(1, 12))
async def test_a_cancelled_command_ends_its_task_at_whatever_step_it_is(redis_url: str, steps: int) -> None:
    client = await open_redis(redis_url)
    command = asyncio.create_task(client.execute_command("PING"))  # type: ignore[no-untyped-call]
    for _ in range(steps):
        await asyncio.sleep(0)
    if command.cancel():
        with pytest.raises(asyncio.CancelledError):
            await command
    await client.aclose()
