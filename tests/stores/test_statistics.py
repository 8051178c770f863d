"""Tables that begin to fill are analysed at once, by whichever of our processes comes first."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from domain.alias import Alias, AliasKind
from stores.postgres import Database, Role
from stores.statistics import analyse_young_tables, watch_young_tables
from stores.subjects import Newcomer, enrol_subjects
from tests.patience import AT_ALL

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PEOPLE = 4_000
_YOUNG = "SELECT relname FROM pg_class WHERE relname IN ('alias', 'subject', 'consent') AND reltuples < 0"


async def _enrol(worker: Database) -> None:
    newcomers = [Newcomer(Alias(AliasKind.USER_ID, 1, uuid4().bytes * 2), uuid4(), b"key") for _ in range(PEOPLE)]
    async with worker.across() as connection:
        workspace = uuid4()
        await connection.execute(
            "INSERT INTO workspace (id, name, created_at, wrapped_key) VALUES ($1, 'w', $2, '')", workspace, NOON
        )
        await enrol_subjects(connection, workspace, newcomers, NOON)


@pytest.mark.parametrize("role", ["app", "worker"])
async def test_tables_that_begin_to_fill_are_analysed_once(database_url: str, worker: Database, role: Role) -> None:
    database = await Database.open(database_url, role=role)
    async with database.workspace(None) as connection:
        assert await analyse_young_tables(connection) == 0
        await _enrol(worker)
        await analyse_young_tables(connection)
        assert [name for (name,) in await connection.fetch(_YOUNG)] == ["consent"]  # which nobody is in
        assert await analyse_young_tables(connection) == 0
    await database.close()


async def test_a_table_that_was_empty_when_it_was_analysed_is_young(worker: Database) -> None:
    async with worker.across() as connection:
        await connection.execute("RESET ROLE; ANALYZE; SET ROLE tagway_worker")
        await _enrol(worker)
        assert await analyse_young_tables(connection) == 2
        assert await analyse_young_tables(connection) == 0


async def test_a_watch_sees_them_fill(worker: Database) -> None:
    watch = asyncio.create_task(watch_young_tables(worker))
    await _enrol(worker)
    async with asyncio.timeout(AT_ALL), worker.across() as connection:
        while len(await connection.fetch(_YOUNG)) > 1:
            await asyncio.sleep(0.05)
    watch.cancel()


async def test_a_watch_outlives_a_fault_of_the_store(database_url: str, worker: Database) -> None:
    async with worker.across() as connection:
        await connection.execute(
            "RESET ROLE; ALTER FUNCTION analyse_young_tables RENAME TO away; SET ROLE tagway_worker"
        )
    database = await Database.open(database_url, role="worker")
    with capture_logs() as logs:
        watch = asyncio.create_task(watch_young_tables(database))
        async with asyncio.timeout(AT_ALL):
            while not logs:
                await asyncio.sleep(0.05)
    assert not watch.done()
    assert logs[0]["event"] == "young_tables_wait"
    watch.cancel()
    await database.close()
