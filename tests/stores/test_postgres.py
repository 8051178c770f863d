import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import Refused, StoreUnavailable
from stores.embedded.postgres import EmbeddedPostgres
from stores.faults import transaction
from stores.migrate import migrate
from stores.postgres import Connection, Database, is_lost, set_codecs
from tests.patience import AT_ALL

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text("abcé", max_size=4), children, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[Database]:
    database = await Database.open(database_url, role="app", max_size=1)
    yield database
    await database.close()


async def _make_workspace(worker: Database) -> UUID:
    workspace = uuid4()
    async with worker.across() as connection:
        await connection.execute(
            "INSERT INTO workspace (id, name, wrapped_key, created_at) VALUES ($1, 'shop', '', now())", workspace
        )
    return workspace


@pytest.mark.parametrize(("kind", "value"), [("text", "a\0"), ("jsonb", {"a": "\0"})])
async def test_a_text_that_postgres_cannot_hold_is_the_caller_s_fault(app: Database, kind: str, value: object) -> None:
    with pytest.raises(Refused):
        async with app.workspace(None) as connection:
            await connection.fetchval(f"SELECT $1::{kind}", value)
    async with app.workspace(None) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_workspace_sees_itself_only(app: Database, worker: Database) -> None:
    mine, theirs = await _make_workspace(worker), await _make_workspace(worker)
    for each in (mine, theirs, mine):  # one connection, moved from one to the other
        async with app.workspace(each) as connection:
            assert await connection.fetchval("SELECT array_agg(id) FROM workspace") == [each]
    async with app.workspace(None) as connection:
        assert await connection.fetchval("SELECT count(*) FROM workspace") == 0


async def test_the_workspace_survives_a_rolled_back_transaction(app: Database, worker: Database) -> None:
    mine = await _make_workspace(worker)
    with pytest.raises(ZeroDivisionError):
        async with app.workspace(mine) as connection, connection.transaction():
            raise ZeroDivisionError
    async with app.workspace(mine) as connection:
        assert await connection.fetchval("SELECT id FROM workspace") == mine


async def test_an_abandoned_transaction_is_not_handed_on(app: Database, worker: Database) -> None:
    mine = await _make_workspace(worker)
    async with app.workspace(mine) as connection:
        await connection.execute("BEGIN")
        await connection.execute("UPDATE workspace SET name = 'lost'")
    async with app.workspace(mine) as connection:
        assert not connection.is_in_transaction()
        assert await connection.fetchval("SELECT name FROM workspace") == "shop"


async def test_a_known_workspace_costs_no_round_trip(app: Database, worker: Database) -> None:
    mine, theirs = await _make_workspace(worker), await _make_workspace(worker)
    queries: list[str] = []
    async with app.workspace(mine) as connection:
        connection.add_query_logger(lambda record: queries.append(record.query))
        await connection.enter(mine)
        await asyncio.sleep(0)  # loggers are called by the loop
        assert queries == []
        await connection.enter(theirs)
        await asyncio.sleep(0)
        assert len(queries) == 1


async def test_connections_opened_at_once_are_there_before_anybody_asks(database_url: str, worker: Database) -> None:
    opened = await Database.open(database_url, role="app", max_size=3, at_once=True)
    async with worker.across() as connection:
        count = "SELECT count(*) FROM pg_stat_activity WHERE (datname, application_name) = (current_database(), $1)"
        assert await connection.fetchval(count, "tagway-app") == 3
    await opened.close()


@pytest.mark.parametrize("kind", ["bool", "int2", "int4", "int8", "float8", "bytea", "timestamptz", "uuid", "jsonb"])
async def test_a_connection_knows_arrays_without_asking(app: Database, kind: str) -> None:
    queries: list[str] = []
    async with app.workspace(None) as connection:
        connection.add_query_logger(lambda record: queries.append(record.query))
        await connection.fetchval(f"SELECT $1::{kind}[]", [])
        await asyncio.sleep(0)  # loggers are called by the loop
    assert queries == [f"SELECT $1::{kind}[]"]


async def test_a_role_outlives_its_first_use(app: Database) -> None:
    for _ in range(2):
        async with app.workspace(None) as connection:
            assert await connection.fetchval("SELECT current_user") == "tagway_app"


async def test_only_the_worker_sees_across(app: Database, worker: Database) -> None:
    await _make_workspace(worker)
    async with worker.across() as connection:
        assert await connection.fetchval("SELECT count(*) FROM workspace") == 1
    with pytest.raises(RuntimeError):
        async with app.across():
            pass


async def _query_for_long(database: Database) -> None:
    async with database.workspace(None) as connection:
        await connection.execute("SELECT pg_sleep(60)")


async def test_a_lost_server_is_a_store_unavailable(server_folder: Path) -> None:
    server = EmbeddedPostgres(server_folder / "lost")
    try:
        await migrate(await server.start())
        database = await Database.open(server.url, role="app")
        query = asyncio.create_task(_query_for_long(database))
        await _busy(server.url)
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(StoreUnavailable):
            await query
        with pytest.raises(StoreUnavailable):
            await _query_for_long(database)
        await server.start()
        async with database.workspace(None) as connection:
            assert await connection.fetchval("SELECT 1") == 1
        await database.close()
    finally:
        await server.stop()


async def test_a_query_that_is_cancelled_is_a_store_unavailable(app: Database, database_url: str) -> None:
    query = asyncio.create_task(_query_for_long(app))
    await _busy(database_url)
    other = await asyncpg.connect(database_url)
    await other.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    await other.close()
    with pytest.raises(StoreUnavailable):
        await query
    assert await app.healthy()


async def test_a_query_that_takes_too_long_is_a_store_unavailable(
    database_url: str,
) -> None:
    database = await Database.open(database_url, role="app", max_size=1, answers_within=1.0)
    with pytest.raises(StoreUnavailable):
        await _query_for_long(database)
    await database.close()


async def test_a_session_that_never_answers_is_asked_nothing_more(
    database_url: str,
) -> None:
    database = await Database.open(database_url, role="app", max_size=1, answers_within=1.0)
    async with database.workspace(None) as connection:
        session = connection.get_server_pid()
        with pytest.raises(StoreUnavailable):
            await _ask_frozen(connection, session)
        assert is_lost(connection)
    async with database.workspace(None) as connection:
        assert connection.get_server_pid() != session
    await database.close()


async def test_a_server_that_says_nothing_is_soon_found_unwell(database_url: str) -> None:
    database = await Database.open(database_url, role="app", max_size=1)
    with frozen(await _session_of(database)):
        assert not await asyncio.wait_for(database.healthy(), 8)
    assert await database.healthy()
    await database.close()


async def test_whoever_is_cancelled_waits_for_no_server_that_says_nothing(database_url: str) -> None:
    database = await Database.open(database_url, role="app", max_size=1)
    with frozen(await _session_of(database)):
        asking = asyncio.create_task(_query_for_long(database))
        await asyncio.wait([asking], timeout=0.2)
        asking.cancel()
        done, _ = await asyncio.wait([asking], timeout=8)
        assert done
        assert asking.cancelled()
    await database.close()


async def _ask_frozen(connection: Connection, session: int) -> None:
    async with transaction(connection):
        with frozen(session):
            await connection.execute("SELECT 1")


async def _session_of(database: Database) -> int:
    """Name the process of a pool's only session."""
    async with database.workspace(None) as connection:
        process: int = connection.get_server_pid()
    return process


@contextmanager
def frozen(process: int) -> Iterator[None]:
    """Freeze a process for as long as the block lasts."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


async def test_a_session_that_is_read_only_is_given_up(app: Database) -> None:
    async with app.workspace(None) as connection:
        await connection.execute("SET default_transaction_read_only = on")
        session = connection.get_server_pid()
    with pytest.raises(StoreUnavailable):
        async with app.workspace(None) as connection:
            await connection.execute("CREATE TABLE refused ()")
    async with app.workspace(None) as connection:
        assert connection.get_server_pid() != session


async def test_an_idle_connection_that_ends_is_a_store_unavailable(app: Database, database_url: str) -> None:
    with pytest.raises(StoreUnavailable):
        await _end_and_use(app, database_url)
    async with app.hold():
        pass


async def _end_and_use(database: Database, url: str) -> None:
    ended = asyncio.Event()
    async with database.hold() as connection:
        connection.add_termination_listener(lambda _: ended.set())
        other = await asyncpg.connect(url)
        await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        await other.close()
        async with asyncio.timeout(AT_ALL):
            await ended.wait()
        await connection.execute("SELECT 1")


async def _busy(url: str) -> None:
    """Wait until the server runs the long query."""
    connection = await asyncpg.connect(url)
    while not await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
        await asyncio.sleep(0.01)
    await connection.close()


@pytest.mark.parametrize("query", ["port=hush", "hush"])
async def test_a_query_that_is_none_is_named_as_a_fault_of_the_url(query: str) -> None:
    url = f"postgresql:///tagway?{query}"
    for opening in (lambda: Database.open(url, role="app"), lambda: migrate(url)):
        with pytest.raises(StoreUnavailable, match="the URL of Postgres cannot be used") as caught:
            await opening()
        assert "hush" not in str(caught.value)


async def test_no_server_is_a_store_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await Database.open("postgresql://tagway@127.0.0.1:1/tagway", role="app")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(value=_JSON, identity=st.uuids())
async def test_json_and_uuids_come_back_as_they_went(database_url: str, value: object, identity: UUID) -> None:
    connection = await asyncpg.connect(database_url)
    await set_codecs(connection)
    row = await connection.fetchrow(
        "SELECT $1::jsonb AS b, $2::json AS j, $3::uuid AS u, $4::uuid[] AS us", value, value, identity, [identity]
    )
    await connection.close()
    assert (row["b"], row["j"], row["u"], row["us"]) == (value, value, identity, [identity])
    assert isinstance(row["u"], UUID)
    assert hash(row["u"]) == hash(identity)
