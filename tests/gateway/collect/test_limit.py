import asyncio
from uuid import uuid4

import pytest

from domain.pace import Pace, TooManyEvents
from gateway.collect.limit import EventLimit
from gateway.metrics import Metrics
from stores.paces import Paces
from stores.redis import Redis
from tests.fixtures.gateway import Gateway, basic, event
from tests.fixtures.paces import SLOW, Ticks

MINUTE = 60
"""The most that SLOW gives back while a test runs."""


async def test_gateways_share_what_a_key_may_send(redis: Redis) -> None:
    one, other = (EventLimit(Paces(redis), SLOW, Metrics()) for _ in range(2))
    key = uuid4()
    assert 4_000 <= (await one.admit(key, 6_000)).left <= 4_000 + MINUTE
    assert 1_000 <= (await other.admit(key, 3_000)).left <= 1_000 + MINUTE
    with pytest.raises(TooManyEvents) as refused:
        await one.admit(key, 3_000)
    assert 2_000 - MINUTE <= refused.value.retry_after <= 2_000
    assert 1_000 <= refused.value.quota.left <= 1_000 + MINUTE
    assert 500 <= (await one.admit(key, 500)).left <= 500 + MINUTE, "what was refused counts for nothing"
    assert (await one.admit(uuid4(), 10_000)).left <= MINUTE


async def _draws(redis: Redis) -> int:
    """Tell how often Redis was asked."""
    return int((await redis.info("commandstats"))["cmdstat_evalsha"]["calls"])


async def test_most_requests_are_let_in_from_what_was_drawn(redis: Redis) -> None:
    limit, key = EventLimit(Paces(redis), Pace(a_second=1_000, at_once=10_000), Metrics(), Ticks()), uuid4()
    await limit.admit(key, 10)
    before = await _draws(redis)
    assert [(await limit.admit(key, 10)).left for _ in range(4)] == [9_980, 9_970, 9_960, 9_950]
    assert await _draws(redis) == before


async def test_requests_at_once_draw_one_after_the_other_and_are_let_in_to_the_last_event(redis: Redis) -> None:
    limit, key = EventLimit(Paces(redis), SLOW, Metrics()), uuid4()
    ends = await asyncio.gather(*(limit.admit(key, 1_000) for _ in range(15)), return_exceptions=True)
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
    await limit.admit(key, 10_000)
    before = await _draws(redis)
    for _ in range(10):
        with pytest.raises(TooManyEvents):
            await limit.admit(key, 20)
    assert await _draws(redis) == before
    assert b"tagway_events_limited_total 200.0" in metrics.expose()


async def test_without_redis_a_gateway_counts_for_itself(gone: Redis) -> None:
    metrics, ticks = Metrics(), Ticks()
    limit, key = EventLimit(Paces(gone), SLOW, metrics, ticks), uuid4()
    assert (await limit.admit(key, 9_990)).left == 10
    with pytest.raises(TooManyEvents) as refused:
        await limit.admit(key, 30)
    assert refused.value.retry_after == 20
    ticks.now += 20
    assert (await limit.admit(key, 30)).left == 0
    ticks.now += 100_000
    assert (await limit.admit(key, 1)).left == 9_999
    assert b"tagway_limits_local_total 3.0" in metrics.expose()


@pytest.fixture
def limited(gateway: Gateway, gone: Redis, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """A gateway that lets three events of a key in, and no more while its clock stands still."""
    limit, ticks = gateway.resources.limit, Ticks()
    monkeypatch.setattr(limit, "_pace", Pace(a_second=1, at_once=3))
    monkeypatch.setattr(limit, "_paces", Paces(gone))
    monkeypatch.setattr(limit, "_ticks", ticks)
    monkeypatch.setattr(limit, "_avoid_redis_until", 0.0)
    return gateway


async def test_a_key_that_is_too_fast_is_told_so_and_others_are_served(limited: Gateway) -> None:
    headers = {"Authorization": basic(limited.tenant.write_key)}
    body = {"batch": [event(), event()]}
    async with limited.http.post(limited.url + "/v1/batch", json=body, headers=headers) as taken:
        assert taken.status == 200
        assert (taken.headers["X-RateLimit-Limit"], taken.headers["X-RateLimit-Remaining"]) == ("3", "1")
        assert taken.headers["X-RateLimit-Reset"] == "2"
    async with limited.http.post(
        limited.url + "/v1/batch", json=body, headers=headers | {"Origin": "https://shop.example"}
    ) as refused:
        answer = await refused.json()
        assert (refused.status, answer["code"]) == (429, "too_many_events")
        assert "1 events a second and 3 at once" in answer["message"]
        assert refused.headers["Retry-After"] == "1"
        assert refused.headers["X-RateLimit-Remaining"] == "1"
        assert "X-RateLimit-Remaining" in refused.headers["Access-Control-Expose-Headers"]
    assert len(await limited.logged()) == 2
    update = {"customer_id": "12345", "demographic_data": {"age": 35}}
    secret = {"Authorization": f"Bearer {limited.tenant.secret_key}"}
    statuses = [(await limited.post("/update_profile", update, key=None, headers=secret))[0] for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
