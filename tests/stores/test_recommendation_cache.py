import asyncio
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from domain.errors import StoreUnavailable
from profiles.rights.lists import ForgetLists
from stores.recommendation_cache import RecommendationCache
from stores.redis import Redis, open_redis
from tests.patience import AT_ALL


async def test_entries_are_kept_for_a_minute_and_apart(redis: Redis) -> None:
    cache, shop, other = RecommendationCache(redis), uuid4(), uuid4()
    ann, bob = uuid4(), uuid4()
    await cache.keep(shop, {(ann, b"q1"): b"1", (ann, b"q2"): b"2", (bob, b"q1"): b"3"})
    assert await cache.read(shop, [(bob, b"q1"), (ann, b"q2"), (bob, b"q2")]) == [b"3", b"2", None]
    assert await cache.read(other, [(ann, b"q1")]) == [None]
    assert 0 < await redis.ttl(f"tagway:recommendations:{shop}:{ann}") <= 60


async def test_an_erasure_forgets_all_lists_of_the_person_and_nobody_elses(redis: Redis) -> None:
    cache, shop, ann, bob = RecommendationCache(redis), uuid4(), uuid4(), uuid4()
    await cache.keep(shop, {(ann, b"q1"): b"1", (ann, b"q2"): b"2", (bob, b"q1"): b"3"})
    request = SimpleNamespace(workspace=shop, found=SimpleNamespace(profiles=(ann,)))
    assert await ForgetLists(cache)(cast("Any", SimpleNamespace(request=request))) == {"profiles": 1}
    assert await cache.read(shop, [(ann, b"q1"), (ann, b"q2"), (bob, b"q1")]) == [None, None, b"3"]
    await cache.drop(shop, [])


async def test_a_redis_that_hangs_is_not_waited_for() -> None:
    hanging = False

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (said := await reader.read(10_000)) and not hanging:
            writer.write(b"+PONG\r\n" if b"PING" in said else b"+OK\r\n" * said.count(b"*"))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    client = await open_redis(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    hanging = True
    cache, shop, ann = RecommendationCache(client), uuid4(), uuid4()
    async with asyncio.timeout(AT_ALL):
        with pytest.raises(StoreUnavailable):
            await cache.read(shop, [(ann, b"q")])
        with pytest.raises(StoreUnavailable):
            await cache.keep(shop, {(ann, b"q"): b"1"})
    await client.aclose()
    server.close()
    await server.wait_closed()
