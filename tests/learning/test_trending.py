import asyncio
from datetime import datetime, timedelta

from domain.clock import utc_now
from learning.trending import FRESHNESS, Trending
from tests.fixtures.gateway import Gateway
from tests.fixtures.graphql import CountedDatabase, Statements


async def test_a_crowd_has_the_list_made_once_and_once_more_when_it_is_old(gateway: Gateway) -> None:
    statements, time = Statements(), [utc_now()]

    def clock() -> datetime:
        return time[0]

    trending = Trending(CountedDatabase(gateway.resources.database, statements), clock)

    async def crowd() -> None:
        await asyncio.gather(*(trending.items(gateway.tenant.workspace) for _ in range(20)))

    await crowd()
    await crowd()
    assert len(statements.run) == 1
    time[0] += FRESHNESS + timedelta(seconds=1)
    await crowd()
    assert len(statements.run) == 2
