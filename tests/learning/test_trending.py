import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.clock import utc_now
from domain.errors import StoreUnavailable
from learning.trending import EMPTY_FRESHNESS, FRESHNESS, STALE, Trending
from tests.fixtures.gateway import Gateway
from tests.fixtures.graphql import CountedDatabase, Statements


async def test_a_crowd_has_the_list_made_once_and_once_more_when_it_is_old(gateway: Gateway) -> None:
    statements, time = Statements(), [utc_now()]

    def clock() -> datetime:
        return time[0]

    await gateway.sql(
        """
        WITH who AS (INSERT INTO profile (workspace_id, id, first_seen_at, last_seen_at)
            VALUES ($1, $2, $3, $3) RETURNING id),
        subject AS (INSERT INTO subject SELECT $1, id, id, '', $3 FROM who RETURNING id)
        INSERT INTO event (workspace_id, message_id, subject_id, type, name, at, received_at, properties, traits,
            context, sealed, purposes)
        SELECT $1, 'm', id, 'track', 'product_view', $3, $3, '{"product_id": "lamp"}', '{}', '{}', '{}', '{}'
        FROM subject
        """,
        gateway.tenant.workspace,
        uuid4(),
        time[0],
    )
    trending = Trending(CountedDatabase(gateway.resources.database, statements), clock)

    async def crowd() -> None:
        await asyncio.gather(*(trending.items(gateway.tenant.workspace) for _ in range(20)))

    await crowd()
    await crowd()
    assert len(statements.run) == 1
    assert [item for item, _ in await trending.items(gateway.tenant.workspace)] == ["lamp"]
    time[0] += EMPTY_FRESHNESS + timedelta(seconds=1)
    await crowd()
    assert len(statements.run) == 1
    time[0] += FRESHNESS + timedelta(seconds=1)
    await crowd()  # which gets the list there is, while the next is made
    await asyncio.gather(*trending._making.values())
    assert len(statements.run) == 2
    time[0] += STALE + timedelta(seconds=1)
    await crowd()  # which waits for the next
    assert (len(statements.run), trending._making) == (3, {})
    await trending.close()


async def test_a_list_that_cannot_be_made_anew_is_served_until_it_is_stale(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = [utc_now()]
    trending = Trending(gateway.resources.database, lambda: time[0])
    trending._lists[gateway.tenant.workspace] = (time[0].timestamp(), (("lamp", 1.0),))

    async def away(*_args: Any, **_rules: Any) -> None:
        raise StoreUnavailable("Postgres is not reachable")

    monkeypatch.setattr("learning.trending.trending_items", away)
    time[0] += FRESHNESS + timedelta(seconds=1)
    for _ in range(2):
        assert await trending.items(gateway.tenant.workspace) == (("lamp", 1.0),)
        await asyncio.gather(*trending._making.values())
    time[0] += STALE
    with pytest.raises(StoreUnavailable):
        await trending.items(gateway.tenant.workspace)


async def test_an_empty_list_is_soon_looked_at_again(gateway: Gateway) -> None:
    statements, time = Statements(), [utc_now()]
    trending = Trending(CountedDatabase(gateway.resources.database, statements), lambda: time[0])
    assert await trending.items(gateway.tenant.workspace) == ()
    time[0] += EMPTY_FRESHNESS + timedelta(milliseconds=1)
    assert await trending.items(gateway.tenant.workspace) == ()
    assert len(statements.run) == 2
