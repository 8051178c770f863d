"""The events of an installation stay where they are when their table is cut by quarters, and nobody has to stop."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from stores.events import store_events
from stores.migrate import migrate
from stores.migrations import MIGRATIONS
from stores.postgres import Connection, Database
from stores.quarters import make_quarters
from stores.reads.events import by_message_ids
from tests.fixtures.views import viewed
from tests.patience import AT_ALL

OURS = uuid4()
_WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND NOT granted
"""
_EARLIER = "SELECT ends FROM event_part WHERE part::text = 'event_earlier'"


def before(number: str, folder: Path) -> Path:
    """Copy the files that come before one of them."""
    for path in MIGRATIONS.glob("*.sql"):
        if path.name < number:
            shutil.copy(path, folder)
    return folder


@pytest.fixture
async def earlier_url(empty_database_url: str, tmp_path: Path) -> str:
    """A database of the schema before."""
    await migrate(empty_database_url, before("0029", tmp_path))
    return empty_database_url


@pytest.fixture
async def builder(earlier_url: str) -> AsyncIterator[Connection]:
    """A builder's connection from before, which has prepared its statements."""
    database = await Database.open(earlier_url, role="worker", max_size=1)
    async with database.across() as connection:
        for number in range(7):  # by the sixth time Postgres keeps its plan
            await store_events(connection, OURS, [viewed(OURS, f"before {number}")])
        yield connection
    await database.close()


@pytest.fixture
async def gateway(earlier_url: str) -> AsyncIterator[Connection]:
    """A gateway's connection from before, likewise."""
    database = await Database.open(earlier_url, role="app", max_size=1)
    async with database.workspace(OURS) as connection:
        for _ in range(7):
            await by_message_ids(connection, ["before 0"])
        yield connection
    await database.close()


async def test_what_was_stored_stays_and_the_last_release_goes_on(
    earlier_url: str, builder: Connection, gateway: Connection, tmp_path: Path
) -> None:
    for number in ("0030", "0031", "0032"):
        assert len(await migrate(earlier_url, before(number, tmp_path))) == 1
        await store_events(builder, OURS, [viewed(OURS, f"until {number}")])
        assert len(await by_message_ids(gateway, ["before 0", "before 6", f"until {number}"])) == 3
    assert await builder.fetchval("SELECT count(*) FROM event") == 10
    twice = viewed(OURS, "twice")
    with pytest.raises(asyncpg.UniqueViolationError):
        await store_events(builder, OURS, [twice, twice])
    ends = await builder.fetchval(_EARLIER)
    assert timedelta(days=90) < ends - datetime.now(UTC) < timedelta(days=190)
    await store_events(builder, OURS, [viewed(OURS, "later", ends)])
    assert await gateway.fetchval("SELECT count(*) FROM event") == 11


async def test_the_first_quarter_follows_on_what_was_there(earlier_url: str, builder: Connection) -> None:
    await migrate(earlier_url)
    ends = await builder.fetchval(_EARLIER)
    assert await builder.fetchval("SELECT count(*) FROM event_part") == 1
    assert await make_quarters(builder, ends - timedelta(days=100)) == 0
    assert await make_quarters(builder, ends - timedelta(days=80)) == 1
    await store_events(
        builder, OURS, [viewed(OURS, "last", ends - timedelta(microseconds=1)), viewed(OURS, "first", ends)]
    )
    assert await builder.fetchval("SELECT array_agg(ends - begins < '100 days' ORDER BY ends) FROM event_part") == [
        False,
        True,
    ]
    owner = await asyncpg.connect(earlier_url)
    assert await owner.fetchval("SELECT count(*) FROM event_earlier") == 8
    assert await owner.fetchval("SELECT count(*) FROM event_default") == 0
    await owner.close()


async def test_an_event_whose_clock_was_ahead_is_no_hindrance(earlier_url: str, builder: Connection) -> None:
    await store_events(builder, OURS, [viewed(OURS, "ahead", datetime(2126, 5, 1, tzinfo=UTC))])
    await migrate(earlier_url)
    assert await builder.fetchval(_EARLIER) == datetime(2126, 7, 1, tzinfo=UTC)
    assert await builder.fetchval("SELECT count(*) FROM event") == 8


async def test_an_installation_without_events_begins_with_this_quarter(earlier_url: str) -> None:
    await migrate(earlier_url)
    connection = await asyncpg.connect(earlier_url)
    assert await connection.fetchval(_EARLIER) <= datetime.now(UTC)
    assert await connection.fetchval("SELECT count(*) FROM event_part") == 3
    await connection.close()


async def test_a_batch_that_comes_meanwhile_waits_and_is_stored(
    earlier_url: str, builder: Connection, gateway: Connection
) -> None:
    reading = gateway.transaction()
    await reading.start()
    await by_message_ids(gateway, ["before 0"])
    migrating = asyncio.create_task(migrate(earlier_url))
    await _until_somebody_waits(earlier_url, 1)
    storing = asyncio.create_task(store_events(builder, OURS, [viewed(OURS, "meanwhile")]))
    await _until_somebody_waits(earlier_url, 2)
    await reading.rollback()
    await asyncio.gather(migrating, storing)
    assert (await by_message_ids(gateway, ["meanwhile"])).keys() == {"meanwhile"}


async def test_partitions_that_somebody_made_are_named_before_anything_is_done(earlier_url: str) -> None:
    connection = await asyncpg.connect(earlier_url)
    await connection.execute("CREATE TABLE event_later PARTITION OF event FOR VALUES FROM ('2030-01-01') TO (MAXVALUE)")
    with pytest.raises(asyncpg.RaiseError, match="partitions that Tagway has not made"):
        await migrate(earlier_url)
    assert not await connection.fetchval("SELECT count(*) FROM pg_constraint WHERE conname = 'event_earlier_ends'")
    await connection.close()


async def _until_somebody_waits(url: str, many: int) -> None:
    connection = await asyncpg.connect(url)
    async with asyncio.timeout(AT_ALL):
        while await connection.fetchval(_WAITING) < many:
            await asyncio.sleep(0.01)
    await connection.close()
