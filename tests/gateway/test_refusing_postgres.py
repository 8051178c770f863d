"""A Postgres that answers, but with errors that are its own: as one that is away it costs time, and no event."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.settings import Settings
from tests.fixtures.gateway import Gateway, basic, event
from tests.fixtures.refusing import becomes, readiness
from tests.gateway.collect.test_spooling import emptied, files, spooling
from tests.gateway.test_build import building, built
from tests.patience import AT_ALL

REFUSALS = {
    "disk full": "53100",
    "out of memory": "53200",
    "too many connections": "53300",
    "query cancelled": "57014",
    "I/O error": "58030",
    "read-only transaction": "25006",
    "deadlock": "40P01",
}
UNWELL = ("disk full", "out of memory", "I/O error", "read-only transaction")
"""After which the server counts as unwell for a while, though it answers."""


@asynccontextmanager
async def refusing(gateway: Gateway, table: str, code: str) -> AsyncIterator[None]:
    """Have the server itself answer with an error of this SQLSTATE whatever is written to a table."""
    await gateway.sql(
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END $$"
    )
    await gateway.sql(f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse()")
    try:
        yield
    finally:
        await gateway.sql("DROP FUNCTION refuse CASCADE")


@pytest.fixture(autouse=True)
def _trusted_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stores.postgres._UNWELL_SECONDS", 1.0)


@pytest.fixture
def settings(gateway_settings: Settings, database_url: str) -> Settings:
    """Settings with a database of the test's own."""
    return msgspec.structs.replace(gateway_settings, postgres_url=database_url)


@pytest.mark.parametrize(
    ("name", "table"), [*((name, "alias") for name in REFUSALS), *((name, "log_record") for name in UNWELL)]
)
async def test_a_postgres_that_refuses_costs_no_event(
    settings: Settings, tmp_path: Path, name: str, table: str
) -> None:
    async with spooling(settings, tmp_path) as (gateway, _):
        await gateway.batch(event(messageId="before"))
        async with refusing(gateway, table, REFUSALS[name]):
            results = await gateway.batch(event(messageId="kept", anonymousId="newcomer"))
            assert results[0]["outcome"] == "accepted"
            assert gateway.resources.spooling is not None
            assert gateway.resources.spooling.waiting == 1
            if name in UNWELL:
                await becomes(gateway, "spooling")
        await emptied(gateway)
        assert not files(tmp_path, "rejected")
        assert {each.message_id for each in await gateway.logged()} == {"before", "kept"}
        await becomes(gateway, "ready")


@pytest.mark.parametrize("name", REFUSALS)
async def test_without_a_spool_the_client_is_asked_to_come_again(settings: Settings, tmp_path: Path, name: str) -> None:
    body = msgspec.json.encode({"batch": [event()]})
    async with spooling(settings, tmp_path, megabytes=0) as (gateway, _), refusing(gateway, "alias", REFUSALS[name]):
        headers = {"Authorization": basic(gateway.tenant.write_key), "Content-Type": "text/plain"}
        async with gateway.http.post(gateway.url + "/v1/batch", data=body, headers=headers) as response:
            assert response.status == 503, await response.text()
            assert int(response.headers["Retry-After"]) > 0
            assert (await response.json())["code"] == "store_unavailable"


async def test_acknowledged_requests_wait_for_as_long_as_the_disk_is_full(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, few in (("_SUSPECT", 2), ("_HOPELESS", 4), ("_LONGEST_PAUSE", 0.05), ("_FIRST_PAUSE", 0.05)):
        monkeypatch.setattr(f"gateway.collect.spooling.{name}", few)
    async with spooling(settings, tmp_path) as (gateway, _):
        async with refusing(gateway, "log_record", REFUSALS["disk full"]):
            with capture_logs() as logs:
                await gateway.batch(event(messageId="kept"))
                async with asyncio.timeout(AT_ALL):
                    while len([each for each in logs if each["event"] == "spool_waits"]) < 12:
                        await asyncio.sleep(0.05)
            assert [each["problem"] for each in logs if each["event"] == "postgres_refuses"] == ["DiskFullError"]
            assert not files(tmp_path, "rejected")
        await emptied(gateway)
        assert not files(tmp_path, "rejected")
        assert [each.message_id for each in await gateway.logged()] == ["kept"]


async def test_after_a_failover_to_a_replica_all_goes_on_once_it_is_the_primary(
    settings: Settings, tmp_path: Path
) -> None:
    async with building(settings) as builder, spooling(settings, tmp_path) as (gateway, _):
        await gateway.batch(event(messageId="before"))
        await built(gateway, {"before"})
        await _read_only(gateway, "SET default_transaction_read_only = on")
        await _part(gateway)
        results = await gateway.batch(event(messageId="meanwhile", anonymousId="newcomer"))
        assert results[0]["outcome"] == "accepted"
        await becomes(gateway, "spooling")
        assert (await readiness(gateway))["stores"]["postgres"] is False
        await _read_only(gateway, "RESET default_transaction_read_only")
        # Nobody parts them this time: sessions that are read-only still must be given up for new ones.
        await emptied(gateway)
        assert not files(tmp_path, "rejected")
        await gateway.batch(event(messageId="after"))
        await built(gateway, {"meanwhile", "after"})
        assert not builder.done()
        await becomes(gateway, "ready")


async def test_what_is_counted_beside_requests_is_written_once_the_store_is_well(
    settings: Settings, tmp_path: Path
) -> None:
    async with spooling(settings, tmp_path) as (gateway, _):
        async with refusing(gateway, "dropped_field", REFUSALS["disk full"]):
            with capture_logs() as logs:
                await gateway.batch(event(properties={"product_id": "p1", "shoe_size_secret": "x"}))
                async with asyncio.timeout(AT_ALL):
                    while not any(each["event"] == "losses_not_written" for each in logs):
                        await asyncio.sleep(0.05)
        async with asyncio.timeout(AT_ALL):
            while not await gateway.sql("SELECT FROM dropped_field"):
                await asyncio.sleep(0.05)


async def _read_only(gateway: Gateway, words: str) -> None:
    """Set what new sessions of the gateway's database are: from another database, which may write."""
    parts = urlsplit(gateway.database_url)
    connection = await asyncpg.connect(parts._replace(path="/postgres").geturl())
    await connection.execute(f'ALTER DATABASE "{parts.path[1:]}" {words}')
    await connection.close()


async def _part(gateway: Gateway) -> None:
    """End every session, as a server does that becomes a replica."""
    await gateway.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
