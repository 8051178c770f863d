"""Sessions whose other side has gone silent without a word."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from domain.errors import StoreUnavailable
from stores.faults import transaction
from stores.postgres import Database, is_lost
from stores.silence import same_socket

pytestmark = pytest.mark.services


@pytest.fixture
async def databases(database_url: str) -> AsyncIterator[tuple[Database, Database]]:
    async with AsyncExitStack() as stack:
        opened = [await Database.open(database_url, role="worker", max_size=1) for _ in range(2)]
        for each in opened:
            stack.push_async_callback(each.close)
        yield opened[0], opened[1]


async def _answers(database: Database) -> None:
    async with database.across() as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_whoever_says_nothing_loses_its_locks_to_others(
    databases: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.postgres.LIVELY", "SET idle_session_timeout = '200ms'")
    frozen, other = databases

    async def fall_silent() -> None:
        async with frozen.hold(lively=True) as silent:
            await silent.execute("SELECT pg_advisory_lock(7)")
            async with other.hold() as waiting:
                await waiting.execute("SELECT pg_advisory_lock(7)", timeout=10)
            await silent.execute("SELECT 1")

    with pytest.raises(StoreUnavailable):
        await fall_silent()
    await _answers(frozen)


async def test_whoever_does_nothing_in_a_transaction_loses_its_rows_to_others(
    databases: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.postgres.SETTINGS", "SET idle_in_transaction_session_timeout = '200ms'")
    frozen, other = databases

    async def fall_silent() -> None:
        async with frozen.across() as silent, transaction(silent):
            await silent.execute("LOCK TABLE workspace")
            async with other.across() as waiting:
                await waiting.fetch("SELECT id FROM workspace", timeout=10)
            await silent.execute("SELECT 1")

    with pytest.raises(StoreUnavailable):
        await fall_silent()
    await _answers(frozen)


async def test_a_session_that_is_not_lively_may_be_silent(
    databases: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.postgres.LIVELY", "SET idle_session_timeout = '200ms'")
    async with databases[0].hold() as silent:
        async with databases[1].hold() as other:
            await other.execute("SELECT pg_sleep(0.5)")
        assert not is_lost(silent)
        assert await silent.fetchval("SELECT 1") == 1


async def test_both_sides_find_out_that_the_other_machine_is_gone(databases: tuple[Database, Database]) -> None:
    async with databases[0].across() as connection:
        theirs = await connection.fetchval("SELECT current_setting('tcp_user_timeout')")
        probes = await connection.fetchval("SELECT current_setting('tcp_keepalives_idle')")
        with same_socket(connection._transport.get_extra_info("socket")) as same:
            ours = same.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            alive = same.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert (theirs, probes) == ("20000", "10")
    assert (ours, alive) == (20_000, 1)
