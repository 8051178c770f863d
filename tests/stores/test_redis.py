import asyncio
from collections.abc import Awaitable
from typing import cast
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from domain.errors import StoreUnavailable
from stores.redis import Redis, asking, make_redis, open_redis


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


@pytest.mark.parametrize("query", ["socket_timeout=hush", "hush=hush", "db=hush"])
async def test_an_option_that_is_none_is_named_as_a_fault_of_the_url(query: str) -> None:
    with pytest.raises(StoreUnavailable, match="the URL of Redis cannot be used") as caught:
        await open_redis(f"redis://127.0.0.1:1/0?{query}")
    assert "hush" not in str(caught.value)


async def test_a_database_that_is_not_there_is_told_once_and_not_by_every_command(redis_url: str) -> None:
    nowhere = urlsplit(redis_url)._replace(path="/999").geturl()
    with pytest.raises(StoreUnavailable, match="names a database that is not there"):
        await open_redis(nowhere)
    client = make_redis(nowhere)
    with capture_logs() as logs, pytest.raises(StoreUnavailable), asking():
        await client.ping()
    assert logs == []
    await client.aclose()


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


def _say(client: Redis, words: str) -> Awaitable[object]:
    """Have the server answer with an error of these words."""
    return cast("Awaitable[object]", client.eval(f"return redis.error_reply('{words}')", 0))


@pytest.mark.parametrize(
    "code", ["OOM", "READONLY", "MISCONF", "NOPERM", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "NOREPLICAS", "BUSY"]
)
async def test_a_server_that_refuses_for_its_own_sake_is_a_store_unavailable(redis_url: str, code: str) -> None:
    client = await open_redis(redis_url)
    with capture_logs() as logs:
        with pytest.raises(StoreUnavailable), asking():
            await _say(client, f"{code} not now")
        async with client.pipeline(transaction=False) as pipeline:
            pipeline.eval(f"return redis.error_reply('{code} not now')", 0)
            with pytest.raises(StoreUnavailable), asking():
                await pipeline.execute()
    assert logs == []
    await client.aclose()


async def test_a_fault_of_ours_is_one_too_and_is_told_without_what_was_sent(redis_url: str) -> None:
    client = await open_redis(redis_url)
    await client.set("canary@shop.example", "canary@shop.example")
    with capture_logs() as logs:
        with pytest.raises(StoreUnavailable), asking():
            await client.sadd("canary@shop.example", "canary@shop.example")
        async with client.pipeline(transaction=False) as pipeline:
            pipeline.sadd("canary@shop.example", "canary@shop.example")
            with pytest.raises(StoreUnavailable), asking():
                await pipeline.execute()
    told = {"event": "redis_refused", "error": "ResponseError", "code": "WRONGTYPE", "log_level": "error"}
    assert logs == [told, told]
    await client.aclose()


async def test_a_server_that_became_a_replica_is_connected_to_anew(redis_url: str) -> None:
    client = await open_redis(redis_url, max_connections=1)
    before = await client.client_id()
    with pytest.raises(StoreUnavailable), asking():
        await _say(client, "READONLY not here")
    assert await client.client_id() != before
    await client.aclose()
