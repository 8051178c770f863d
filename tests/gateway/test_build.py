"""One builder that nobody starts again, while its stores go away and come back."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import msgspec
import pytest

from gateway.build import build, open_processor
from gateway.serve import serve
from gateway.settings import Settings, SettingsError
from gateway.wiring import open_resources
from scripts.kafka import Broker
from stores.embedded.postgres import EmbeddedPostgres
from stores.embedded.valkey import EmbeddedValkey
from stores.migrate import migrate, require_schema
from stores.migrations import MigrationRefused
from tests.fixtures.gateway import Gateway, event, listening, make_tenant
from tests.patience import AT_ALL


@asynccontextmanager
async def building(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    async with open_processor(settings) as processor:
        task = asyncio.create_task(processor.run(stop))
        yield task
        stop.set()
        await task


async def built(gateway: Gateway, ids: set[str], within: float = AT_ALL) -> None:
    async with asyncio.timeout(within):
        while True:
            rows: list[Any] = await gateway.sql(
                "SELECT message_id FROM event WHERE workspace_id = $1", gateway.tenant.workspace
            )
            if {row["message_id"] for row in rows} >= ids:
                return
            await asyncio.sleep(0.05)


async def test_a_port_of_metrics_that_is_taken_is_named(gateway_settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"TAGWAY_BUILD_METRICS_PORT={port} cannot be used"):
            async with open_processor(msgspec.structs.replace(gateway_settings, build_metrics_port=port)):
                pass


async def test_a_lone_builder_outlives_its_stores(
    gateway_settings: Settings, server_folder: Path, tmp_path: Path
) -> None:
    postgres = EmbeddedPostgres(server_folder / "build-postgres", volatile=True)
    valkey = EmbeddedValkey(server_folder / "build-valkey", volatile=True)
    url, redis_url = await postgres.start(), await valkey.start()
    try:
        await migrate(url)
        settings = msgspec.structs.replace(
            gateway_settings, postgres_url=url, redis_url=redis_url, spool=tmp_path, spool_megabytes=10
        )
        async with (
            building(settings) as builder,
            open_resources(settings) as resources,
            aiohttp.ClientSession() as http,
            listening(resources) as address,
        ):
            gateway = Gateway(address, await make_tenant(url), url, http, resources)
            await gateway.batch(event(messageId="before"))
            await built(gateway, {"before"})
            for server, name in ((postgres, "postgres"), (valkey, "valkey")):
                await server.stop()
                await gateway.batch(event(messageId=f"without-{name}"))
                await asyncio.sleep(1.5)  # long enough for every chore to have met the gap
                assert not builder.done()
                await server.start()
                await gateway.batch(event(messageId=f"with-{name}"))
                await built(gateway, {f"without-{name}", f"with-{name}"})
            assert not builder.done()
    finally:
        await postgres.stop()
        await valkey.stop()


@pytest.mark.timeout(240)
async def test_a_lone_builder_outlives_the_broker(
    gateway_settings: Settings, database_url: str, kafka_broker: Broker, kafka_bootstrap: str, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(
        gateway_settings,
        postgres_url=database_url,
        kafka_bootstrap=kafka_bootstrap,
        spool=tmp_path,
        spool_megabytes=10,
    )
    async with (
        building(settings) as builder,
        open_resources(settings) as resources,
        aiohttp.ClientSession() as http,
        listening(resources) as address,
    ):
        gateway = Gateway(address, await make_tenant(database_url), database_url, http, resources)
        await gateway.batch(event(messageId="before"))
        await built(gateway, {"before"}, within=60)
        await asyncio.to_thread(kafka_broker.stop)
        await gateway.batch(event(messageId="without-broker"))
        assert not builder.done()
        await asyncio.to_thread(kafka_broker.start)
        await gateway.batch(event(messageId="with-broker"))
        await built(gateway, {"without-broker", "with-broker"}, within=90)
        assert not builder.done()


@pytest.mark.parametrize("command", [serve, build])
async def test_an_outdated_schema_is_named_before_anything_starts(
    command: Any, gateway_settings: Settings, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        name = await connection.fetchval(
            """
            DELETE FROM schema_migration WHERE number = (SELECT max(number) FROM schema_migration) RETURNING name
            """
        )
    finally:
        await connection.close()
    with pytest.raises(MigrationRefused, match=f"lacks {name}: run `tagway migrate`"):
        await command(msgspec.structs.replace(gateway_settings, postgres_url=database_url))


async def test_an_empty_database_lacks_everything_and_a_newer_one_nothing(
    empty_database_url: str, database_url: str
) -> None:
    with pytest.raises(MigrationRefused, match="0001_foundation"):
        await require_schema(empty_database_url)
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("INSERT INTO schema_migration VALUES (9999, '9999_later', 'x', now())")
    finally:
        await connection.close()
    await require_schema(database_url)
