"""Events lie in parts by the quarter of their receipt, which are there in time and go when they are empty."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

import stores.quarters
from stores.events import store_events
from stores.faults import Contended
from stores.postgres import Connection, Database
from stores.quarters import analyse_events, drop_quarters, keep_quarters, lacks_quarter, make_quarters
from stores.reads.events import by_message_ids
from tests.fixtures.views import viewed
from tests.patience import AT_ALL

OURS, THEIRS = uuid4(), uuid4()
NEW_YEAR = datetime(2126, 1, 1, tzinfo=UTC)
"""Long after whatever quarter the tests run in."""
SPRING, SUMMER, AUTUMN = (datetime(2126, month, 1, tzinfo=UTC) for month in (4, 7, 10))
MOMENT = timedelta(microseconds=1)
_PARTS = "SELECT part::text FROM event_part WHERE begins >= $1 ORDER BY begins"
_WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND NOT granted
"""


@pytest.fixture
async def connection(worker: Database) -> AsyncIterator[Connection]:
    async with worker.across() as connection:
        yield connection


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Whoever migrates."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def parts(connection: Any) -> list[str]:
    """Name those of the years in question."""
    return [name for (name,) in await connection.fetch(_PARTS, NEW_YEAR - timedelta(days=92))]


async def where(owner: Any) -> dict[str, str]:
    """Tell of each event what part it lies in; of the whole nobody but our two roles sees any."""
    names = [row[0] for row in await owner.fetch("SELECT part::text FROM event_part UNION ALL SELECT 'event_default'")]
    return {row[0]: name for name in names for row in await owner.fetch(f"SELECT message_id FROM {name}")}


async def test_a_new_installation_has_parts_for_this_quarter_and_the_next(connection: Connection) -> None:
    now = datetime.now(UTC)
    held = await connection.fetch(
        "SELECT part::text, begins, ends FROM event_part WHERE ends > $1 ORDER BY begins", now
    )
    assert [row["begins"] <= now for row in held] == [True, False]
    assert [(row["begins"].day, row["begins"].month % 3, row["begins"].hour) for row in held] == [(1, 1, 0)] * 2
    assert held[0]["ends"] == held[1]["begins"]
    assert (
        await connection.fetchval("SELECT ends FROM event_part WHERE part::text = 'event_earlier'") == held[0]["begins"]
    )
    assert await make_quarters(connection, now) == 0


async def test_events_go_where_they_belong(connection: Connection, owner: asyncpg.Connection) -> None:
    assert await make_quarters(connection, NEW_YEAR) == 2
    moments = {
        "long ago": datetime(1999, 1, 1, tzinfo=UTC),
        "between": NEW_YEAR - MOMENT,
        "first": NEW_YEAR,
        "last": SPRING - MOMENT,
        "next": SPRING,
        "after": SUMMER,
    }
    await store_events(connection, OURS, [viewed(OURS, name, at) for name, at in moments.items()])
    assert await where(owner) == {
        "long ago": "event_earlier",
        "between": "event_default",
        "first": "event_2126q1",
        "last": "event_2126q1",
        "next": "event_2126q2",
        "after": "event_default",
    }


async def test_a_quarter_begins_where_it_does_in_greenwich(connection: Connection) -> None:
    await connection.execute("SET timezone = 'Pacific/Auckland'")
    await make_quarters(connection, SPRING - MOMENT)
    assert await parts(connection) == ["event_2126q1", "event_2126q2"]
    (begins,) = await connection.fetchrow("SELECT begins FROM event_part WHERE part::text = 'event_2126q2'")
    assert begins == SPRING


async def test_the_next_quarter_is_made_ahead_while_somebody_writes(connection: Connection, worker: Database) -> None:
    await make_quarters(connection, NEW_YEAR)
    async with worker.across() as other, other.transaction():
        await store_events(other, OURS, [viewed(OURS, "writing", NEW_YEAR)])
        assert await make_quarters(connection, SPRING) == 1
        await store_events(other, OURS, [viewed(OURS, "still", NEW_YEAR)])
    assert await parts(connection) == ["event_2126q1", "event_2126q2", "event_2126q3"]


async def test_who_reads_for_long_delays_it_and_is_not_delayed(connection: Connection, worker: Database) -> None:
    async with worker.across() as other, other.transaction():
        await other.execute("SELECT FROM event")
        with pytest.raises(Contended):
            await make_quarters(connection, NEW_YEAR)
        await other.execute("SELECT FROM event")
    assert await make_quarters(connection, NEW_YEAR) == 2


async def test_what_came_before_its_quarter_was_made_moves_there(
    connection: Connection, owner: asyncpg.Connection
) -> None:
    moments = {"before": NEW_YEAR - MOMENT, "now": NEW_YEAR, "next": SPRING, "later": SUMMER}
    await store_events(connection, OURS, [viewed(OURS, name, at) for name, at in moments.items()])
    assert set((await where(owner)).values()) == {"event_default"}
    assert await make_quarters(connection, NEW_YEAR) == 2
    assert await where(owner) == {
        "before": "event_default",
        "now": "event_2126q1",
        "next": "event_2126q2",
        "later": "event_default",
    }
    assert (await by_message_ids(connection, list(moments))).keys() == moments.keys()


async def test_nobody_waits_for_very_many_to_move(connection: Connection, owner: asyncpg.Connection) -> None:
    await _fill(owner, NEW_YEAR, 150_000)
    assert await make_quarters(connection, NEW_YEAR) == 0
    assert await owner.fetchval("SELECT make_event_quarters($1)", NEW_YEAR) == 2  # while builders stand still
    assert await connection.fetchval("SELECT pg_relation_size('event_2126q1')") > 16_000_000


async def test_a_clock_that_was_ahead_leaves_no_gap(connection: Connection) -> None:
    await make_quarters(connection, AUTUMN)
    assert await make_quarters(connection, NEW_YEAR) == 2
    assert await make_quarters(connection, SPRING) == 1
    assert await parts(connection) == [f"event_{each}" for each in ("2126q1", "2126q2", "2126q3", "2126q4", "2127q1")]


async def test_an_emptied_quarter_goes_and_one_with_an_event_left_stays(connection: Connection) -> None:
    await make_quarters(connection, NEW_YEAR)
    await make_quarters(connection, SUMMER)
    await store_events(connection, OURS, [viewed(OURS, "first", NEW_YEAR), viewed(OURS, "second", SPRING)])
    assert await drop_quarters(connection, AUTUMN) == 2  # this quarter's of the machine's clock, and the next
    await connection.execute("DELETE FROM event WHERE message_id = 'first'")
    assert await drop_quarters(connection, SPRING + timedelta(days=30)) == 0  # somebody may hold events of it yet
    assert await drop_quarters(connection, AUTUMN) == 1
    assert await parts(connection) == ["event_2126q2", "event_2126q3", "event_2126q4"]
    assert await by_message_ids(connection, ["first", "second"]) != {}
    assert await drop_quarters(connection, AUTUMN) == 0


async def test_what_comes_in_the_last_moment_is_kept(
    connection: Connection, worker: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores.quarters, "_BRIEFLY", f"SET LOCAL lock_timeout = '{AT_ALL} s'")
    await make_quarters(connection, NEW_YEAR)
    await drop_quarters(connection, NEW_YEAR)
    async with worker.across() as other:
        writing = other.transaction()
        await writing.start()
        await store_events(other, OURS, [viewed(OURS, "late", NEW_YEAR)])
        dropping = asyncio.create_task(drop_quarters(connection, SUMMER))
        await _until_somebody_waits(worker)
        await writing.commit()
    assert await dropping == 0
    assert await parts(connection) == ["event_2126q1", "event_2126q2"]


async def test_what_is_before_all_quarters_gives_its_room_back_and_stays(
    connection: Connection, owner: asyncpg.Connection
) -> None:
    room = "SELECT pg_total_relation_size('event_earlier')"
    empty = await connection.fetchval(room)
    await _fill(owner, datetime(1999, 1, 1, tzinfo=UTC), 5_000)
    await drop_quarters(connection, NEW_YEAR)
    assert await connection.fetchval(room) > 1_000_000
    await owner.execute("DELETE FROM event_earlier")
    assert await drop_quarters(connection, NEW_YEAR) == 1
    assert await connection.fetchval(room) == empty
    assert await drop_quarters(connection, NEW_YEAR) == 0
    await store_events(connection, OURS, [viewed(OURS, "replayed", datetime(1999, 1, 1, tzinfo=UTC))])
    assert await where(owner) == {"replayed": "event_earlier"}


async def test_builders_that_do_it_at_once_do_it_once(worker: Database) -> None:
    async def make() -> int:
        async with worker.across() as connection:
            return await make_quarters(connection, NEW_YEAR)

    async def drop() -> int:
        async with worker.across() as connection:
            return await drop_quarters(connection, AUTUMN + timedelta(days=366))

    async with worker.across() as other, other.transaction():
        assert await other.fetchval(stores.quarters._TAKE_TURN)
        assert (await make(), await drop()) == (0, 0)
    assert sum(await asyncio.gather(*(make() for _ in range(8)))) == 2
    assert sum(await asyncio.gather(*(drop() for _ in range(8)))) == 4


async def test_nobody_reaches_into_a_part(database_url: str, connection: Connection, owner: asyncpg.Connection) -> None:
    await owner.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, tagway_app, tagway_worker")
    await make_quarters(connection, NEW_YEAR)
    await store_events(connection, OURS, [viewed(OURS, "ours", NEW_YEAR)])
    await store_events(connection, THEIRS, [viewed(THEIRS, "theirs", NEW_YEAR)])
    app = await Database.open(database_url, role="app", max_size=1)
    async with app.workspace(OURS) as stranger:
        assert (await by_message_ids(stranger, ["ours", "theirs"])).keys() == {"ours"}
        for sql in ("SELECT FROM event_2126q1", "DELETE FROM event_2126q1", "SELECT make_event_quarters(now())"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await stranger.execute(sql)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await store_events(stranger, THEIRS, [viewed(THEIRS, "forged", NEW_YEAR)])
    await app.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SELECT FROM event_2126q1")


async def test_each_part_is_like_the_others(connection: Connection) -> None:
    await make_quarters(connection, NEW_YEAR)
    kinds = {
        tuple(map(repr, row))
        for row in await connection.fetch(
            """
            SELECT whole.reloptions, toast.reloptions, whole.relrowsecurity, whole.relowner, (
                SELECT array_agg(regexp_replace(pg_get_indexdef(indexrelid), '.* USING', '') || indisunique ORDER BY 1)
                FROM pg_index WHERE indrelid = whole.oid
            ) FROM event_part JOIN pg_class AS whole ON whole.oid = part
            JOIN pg_class AS toast ON toast.oid = whole.reltoastrelid
            """
        )
    }
    ((options, *_, indexes),) = kinds
    assert "autovacuum_vacuum_scale_factor=0.02" in options
    assert indexes.count("btree") == 4


async def test_postgres_learns_of_how_many_people_events_are(connection: Connection, owner: asyncpg.Connection) -> None:
    assert not await analyse_events(connection)
    await _fill(owner, NEW_YEAR, 5_000)
    await _fill(owner, NEW_YEAR - timedelta(days=200), 5_000)
    await owner.execute("ANALYZE event_default")
    assert await analyse_events(connection)
    plans = await owner.fetchval("EXPLAIN (FORMAT JSON) SELECT subject_id FROM event GROUP BY subject_id")
    assert json.loads(plans)[0]["Plan"]["Plan Rows"] == 1_000
    assert not await analyse_events(connection)
    await _fill(owner, SPRING, 20_000)
    await owner.execute("ANALYZE event_default")
    assert await analyse_events(connection)


async def test_what_is_read_of_a_person_comes_in_order_from_the_index_of_each_part(
    connection: Connection, owner: asyncpg.Connection
) -> None:
    for at in (NEW_YEAR, SPRING, SUMMER):
        await make_quarters(connection, at)
        await _fill(owner, at, 5_000)
    await owner.execute("ANALYZE event")
    for statement in (
        "SELECT message_id FROM event WHERE workspace_id = '{}' AND subject_id = '{}' ORDER BY at DESC LIMIT 9",
        "SELECT message_id FROM event WHERE workspace_id = '{}' ORDER BY received_at, message_id LIMIT 9 --{}",
    ):
        plan = "\n".join(row[0] for row in await owner.fetch("EXPLAIN " + statement.format(OURS, UUID(int=1))))
        assert "Sort  " not in plan, plan
        assert "Seq Scan" not in plan, plan
        assert plan.count("Index") >= 6, plan


async def test_the_next_quarter_is_missed_in_the_last_month(connection: Connection) -> None:
    await make_quarters(connection, NEW_YEAR)
    assert not await lacks_quarter(connection, SUMMER - timedelta(days=31))
    assert await lacks_quarter(connection, SUMMER - timedelta(days=29))


async def test_a_builder_looks_after_them_and_outlives_a_fault(
    worker: Database, connection: Connection, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores.quarters, "_RETRY_SECONDS", 0)
    monkeypatch.setattr(stores.quarters, "_LOOK_SECONDS", 0.01)
    await owner.execute("ALTER FUNCTION make_event_quarters RENAME TO away")
    with capture_logs() as logs:
        keeping = asyncio.create_task(keep_quarters(worker, lambda: NEW_YEAR))
        async with asyncio.timeout(AT_ALL):
            while not logs:
                await asyncio.sleep(0.01)
            assert logs[0]["event"] == "event_quarters_wait"
            await owner.execute("ALTER FUNCTION away RENAME TO make_event_quarters")
            while await parts(connection) != ["event_2126q1", "event_2126q2"]:
                await asyncio.sleep(0.01)
    keeping.cancel()


async def _fill(owner: asyncpg.Connection, at: datetime, many: int) -> None:
    """Store events of a thousand people."""
    await owner.execute("SET ROLE tagway_worker")
    await owner.execute(
        """
        INSERT INTO event (workspace_id, message_id, subject_id, type, name, at, received_at, properties, traits,
            context, sealed, purposes)
        SELECT $1, number, md5((number % 1000)::text)::uuid, 'track', 'view', $2, $2, '{}', '{}', '{}', '{}', '{}'
        FROM generate_series(1, $3::int) AS number
        """,
        OURS,
        at,
        many,
    )
    await owner.execute("RESET ROLE")


async def _until_somebody_waits(database: Database) -> None:
    async with asyncio.timeout(AT_ALL), database.across() as connection:
        while not await connection.fetchval(_WAITING):
            await asyncio.sleep(0.01)
