import asyncio
from uuid import uuid4

import pytest

from domain.errors import StoreUnavailable
from domain.pace import Pace
from stores.paces import Paces
from stores.redis import Redis
from tests.fixtures.paces import SLOW
from tests.patience import AT_ALL


async def test_a_draw_gives_what_there_is_between_its_least_and_its_most(redis: Redis) -> None:
    paces, holder = Paces(redis), str(uuid4())
    first = await paces.draw(holder, 1_000, 6_000, SLOW)
    assert (first.granted, round(first.full_after)) == (6_000, 6_000)
    assert 4_000 <= (await paces.draw(holder, 1_000, 6_000, SLOW)).granted < 4_100
    refused = await paces.draw(holder, 1_000, 6_000, SLOW)
    assert refused.granted == 0
    assert 9_900 < refused.full_after <= 10_000


async def test_room_comes_back_at_the_pace(redis: Redis) -> None:
    paces, holder, fast = Paces(redis), str(uuid4()), Pace(a_second=1_000, at_once=100)
    assert (await paces.draw(holder, 100, 100, fast)).granted == 100
    async with asyncio.timeout(AT_ALL):
        while not (drawn := await paces.draw(holder, 20, 100, fast)).granted:
            await asyncio.sleep(0)
    assert 20 <= drawn.granted <= 100
    assert drawn.full_after <= 0.1


async def test_holders_are_apart_and_forgotten_once_their_allowance_is_full(redis: Redis) -> None:
    paces, holder = Paces(redis), str(uuid4())
    await paces.draw(holder, 10_000, 10_000, SLOW)
    assert (await paces.draw(str(uuid4()), 10_000, 10_000, SLOW)).granted == 10_000
    assert 0 < await redis.pttl(f"tagway:pace:{holder}") <= 10_001_000


async def test_a_clock_that_was_set_back_holds_nobody_up_for_longer_than_a_full_allowance(redis: Redis) -> None:
    holder = str(uuid4())
    await redis.set(f"tagway:pace:{holder}", 2**52)
    drawn = await Paces(redis).draw(holder, 1, 1, SLOW)
    assert (drawn.granted, drawn.full_after) == (0, 10_000)


async def test_no_redis_is_a_store_unavailable(gone: Redis) -> None:
    with pytest.raises(StoreUnavailable):
        await Paces(gone).draw("holder", 1, 1, SLOW)
