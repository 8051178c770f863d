import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from domain.pace import Pace, TooManyEvents
from gateway.collect.limit import EventLimit
from gateway.metrics import Metrics
from stores.paces import Paces
from stores.redis import Redis, open_redis
from tests.fixtures.gateway import Gateway, basic, event

SLOW = Pace(a_second=1, at_once=100)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = await open_redis(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def gone() -> AsyncIterator[Redis]:
    client = Redis(port=1)
    yield client
    await client.aclose()


class Ticks:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_gateways_share_what_a_key_may_send(redis: Redis) -> None:
    one, other = (EventLimit(Paces(redis), SLOW, Metrics()) for _ in range(2))
    key = uuid4()
    assert (await one.admit(key, 60)).left == 40
    assert (await other.admit(key, 30)).left in {10, 11}
    with pytest.raises(TooManyEvents) as refused:
        await one.admit(key, 30)
    assert refused.value.retry_after in {19, 20}
    assert refused.value.quota.left in {10, 11}
    assert (await one.admit(key, 5)).left in {5, 6}, "what was refused counts for nothing"
    assert (await one.admit(uuid4(), 100)).left == 0


async def _draws(redis: Redis) -> int:
    """Tell how often Redis was asked."""
    return int((await redis.info("commandstats"))["cmdstat_evalsha"]["calls"])


async def test_most_requests_are_let_in_from_what_was_drawn(redis: Redis) -> None:
    limit, key = EventLimit(Paces(redis), Pace(a_second=1_000, at_once=10_000), Metrics()), uuid4()
    await limit.admit(key, 10)
    before = await _draws(redis)
    left = [(await limit.admit(key, 10)).left for _ in range(4)]
    assert left == sorted(left, reverse=True)
    assert 9_950 <= left[-1] < 10_000
    assert await _draws(redis) == before


async def test_requests_at_once_draw_one_after_the_other_and_are_let_in_to_the_last_event(redis: Redis) -> None:
    limit, key = EventLimit(Paces(redis), SLOW, Metrics()), uuid4()
    ends = await asyncio.gather(*(limit.admit(key, 10) for _ in range(15)), return_exceptions=True)
    assert sum(isinstance(end, TooManyEvents) for end in ends) == 5


async def test_requests_at_once_share_a_handful_and_none_takes_what_another_waits_on(redis: Redis) -> None:
    limit, key = EventLimit(Paces(redis), Pace(a_second=1_000, at_once=10_000), Metrics()), uuid4()
    await limit.admit(key, 40)  # of a handful of 50
    before = await _draws(redis)
    await asyncio.gather(limit.admit(key, 60), limit.admit(key, 10))
    await asyncio.gather(*(limit.admit(key, 5) for _ in range(10)))
    assert await _draws(redis) == before + 3


async def test_a_flood_of_refused_requests_asks_redis_once(redis: Redis) -> None:
    metrics, ticks = Metrics(), Ticks()
    limit, key = EventLimit(Paces(redis), SLOW, metrics, ticks), uuid4()
    await limit.admit(key, 100)
    before = await _draws(redis)
    for _ in range(10):
        with pytest.raises(TooManyEvents):
            await limit.admit(key, 20)
    assert await _draws(redis) == before
    assert b"tagway_events_limited_total 200.0" in metrics.expose()


async def test_without_redis_a_gateway_counts_for_itself(gone: Redis) -> None:
    metrics, ticks = Metrics(), Ticks()
    limit, key = EventLimit(Paces(gone), SLOW, metrics, ticks), uuid4()
    assert (await limit.admit(key, 90)).left == 10
    with pytest.raises(TooManyEvents) as refused:
        await limit.admit(key, 30)
    assert refused.value.retry_after == 20
    ticks.now += 20
    assert (await limit.admit(key, 30)).left == 0
    ticks.now += 1_000
    assert (await limit.admit(key, 1)).left == 99
    assert b"tagway_limits_local_total 3.0" in metrics.expose()


async def test_a_key_that_is_too_fast_is_told_so_and_others_are_served(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.resources.limit, "_pace", Pace(a_second=1, at_once=3))
    headers = {"Authorization": basic(gateway.tenant.write_key)}
    body = {"batch": [event(), event()]}
    async with gateway.http.post(gateway.url + "/v1/batch", json=body, headers=headers) as taken:
        assert taken.status == 200
        assert (taken.headers["X-RateLimit-Limit"], taken.headers["X-RateLimit-Remaining"]) == ("3", "1")
        assert taken.headers["X-RateLimit-Reset"] == "2"
    async with gateway.http.post(
        gateway.url + "/v1/batch", json=body, headers=headers | {"Origin": "https://shop.example"}
    ) as refused:
        answer = await refused.json()
        assert (refused.status, answer["code"]) == (429, "too_many_events")
        assert "1 events a second and 3 at once" in answer["message"]
        assert refused.headers["Retry-After"] == "1"
        assert refused.headers["X-RateLimit-Remaining"] == "1"
        assert "X-RateLimit-Remaining" in refused.headers["Access-Control-Expose-Headers"]
    assert len(await gateway.logged()) == 2
    update = {"customer_id": "12345", "demographic_data": {"age": 35}}
    secret = {"Authorization": f"Bearer {gateway.tenant.secret_key}"}
    statuses = [(await gateway.post("/update_profile", update, key=None, headers=secret))[0] for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
