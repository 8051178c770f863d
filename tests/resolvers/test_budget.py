from uuid import uuid4

import pytest

from domain.spending import Allowance, CostExceeded
from gateway.resources import Resources
from resolvers.budget import Budget
from stores.purse import Purse
from stores.redis import Redis
from tests.fixtures.graphql import Api
from tests.fixtures.paces import Ticks


@pytest.fixture
def purse(resources: Resources) -> Purse:
    return Purse(resources.redis)


async def test_a_purse_gives_all_or_nothing_and_fills_by_the_second(purse: Purse) -> None:
    holder, allowance = str(uuid4()), Allowance(100, 10_000)
    first = await purse.take(holder, 90, Allowance(100, 1))
    assert (first.granted, first.left) == (True, 10)
    assert not (await purse.take(holder, 50, Allowance(100, 1))).granted
    filled = await purse.take(holder, 20, allowance)
    assert filled.granted or filled.left > 10


async def test_gateways_share_what_a_key_has(api: Api, purse: Purse) -> None:
    assert api.caller
    one, other = (Budget(purse, Allowance(100, 1)) for _ in range(2))
    assert (await one.charge(api.caller, 60)).remaining == 40
    assert (await other.charge(api.caller, 30)).remaining == 10
    with pytest.raises(CostExceeded) as refused:
        await one.charge(api.caller, 30)
    assert refused.value.retry_after in (19, 20)
    someone = api.as_end_user("a-1").caller
    assert someone
    assert (await one.charge(someone, 60)).remaining == 40


async def test_cheap_operations_are_charged_from_what_was_drawn(api: Api, purse: Purse) -> None:
    assert api.caller
    budget = Budget(purse, Allowance(10_000, 1_000))
    left = [(await budget.charge(api.caller, 10)).remaining for _ in range(5)]
    assert left == [9_990, 9_980, 9_970, 9_960, 9_950]


async def test_without_redis_a_gateway_charges_from_where_the_key_stood(api: Api, purse: Purse, gone: Redis) -> None:
    assert api.caller
    ticks = Ticks()
    budget = Budget(purse, Allowance(100, 1), ticks)
    assert (await budget.charge(api.caller, 60)).remaining == 40
    budget._purse = Purse(gone)
    assert (await budget.charge(api.caller, 30)).remaining == 10
    with pytest.raises(CostExceeded) as refused:
        await budget.charge(api.caller, 30)
    assert refused.value.retry_after == 20
    ticks.now += 20
    assert (await budget.charge(api.caller, 30)).remaining == 0
    budget._purse = purse
    await budget.charge(api.caller, 40)  # of the shared purse, in which they were left
