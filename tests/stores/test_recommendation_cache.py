from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from profiles.rights.lists import ForgetLists
from stores.recommendation_cache import RecommendationCache
from stores.redis import Redis, open_redis


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = await open_redis(redis_url)
    yield client
    await client.aclose()


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
