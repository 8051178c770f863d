"""Which builder may work, as several sessions of one database have it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from structlog.testing import capture_logs

from profiles.generation import Superseded, in_turn
from stores.changes import try_own_publishing
from stores.generation import read_generation
from stores.postgres import Database
from tests.patience import AT_ALL


class Process:
    """One that would work: `begun` tells that it does."""

    def __init__(self, url: str, generation: int) -> None:
        self.begun, self.stop = asyncio.Event(), asyncio.Event()
        self._url, self._generation = url, generation

    async def run(self) -> None:
        database = await Database.open(self._url, role="worker", max_size=1)
        try:
            await in_turn(database, self.stop, self._work, generation=self._generation)
        finally:
            await database.close()

    async def _work(self) -> None:
        self.begun.set()
        await self.stop.wait()


@asynccontextmanager
async def running(url: str, generation: int) -> AsyncIterator[Process]:
    process = Process(url, generation)
    task = asyncio.create_task(process.run())
    try:
        yield process
    finally:
        process.stop.set()
        with suppress(Superseded):
            await task


async def begins(process: Process) -> None:
    async with asyncio.timeout(AT_ALL):
        await process.begun.wait()


async def test_a_newer_generation_waits_for_the_older_which_then_stay_out(database_url: str) -> None:
    with capture_logs() as lines:
        async with running(database_url, 3) as newer:
            async with running(database_url, 2) as older:
                async with running(database_url, 1) as oldest, running(database_url, 1) as another:
                    await begins(oldest)
                    await begins(another)
                    async with asyncio.timeout(AT_ALL):
                        while len(lines) < 2:
                            await asyncio.sleep(0.05)
                    assert not older.begun.is_set()
                assert {line["event"] for line in lines} == {"builders_wait"}
                await begins(older)
                assert not newer.begun.is_set()
            await begins(newer)
            with pytest.raises(Superseded, match="newer release"):
                await Process(database_url, 2).run()
            async with running(database_url, 3) as beside:
                await begins(beside)


async def test_one_from_before_the_mark_is_seen_by_what_it_publishes(database_url: str) -> None:
    database = await Database.open(database_url, role="worker", max_size=2)
    try:
        async with database.across() as connection:
            await connection.execute("UPDATE publisher SET generation = 0")
        with capture_logs() as lines:
            async with database.hold() as unmarked:
                assert await try_own_publishing(unmarked)
                async with running(database_url, 1) as marked:
                    async with asyncio.timeout(AT_ALL):
                        while not lines:
                            await asyncio.sleep(0.05)
                    assert not marked.begun.is_set()
                    await unmarked.close()
                    await begins(marked)
        async with database.across() as connection:
            assert await read_generation(connection) == 1
    finally:
        await database.close()


async def test_whoever_lost_its_session_is_seen_again(database_url: str) -> None:
    database = await Database.open(database_url, role="worker", max_size=1)
    locks = """
        SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND objid = 1 AND mode = 'ShareLock'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
    try:
        async with running(database_url, 1) as process, database.across() as connection:
            await begins(process)
            (before,) = await connection.fetch(locks)
            await connection.execute("RESET ROLE")
            await connection.execute("SELECT pg_terminate_backend($1)", before["pid"])
            async with asyncio.timeout(AT_ALL):
                while [row["pid"] for row in await connection.fetch(locks)] in ([], [before["pid"]]):
                    await asyncio.sleep(0.05)
            assert not process.stop.is_set()
    finally:
        await database.close()
