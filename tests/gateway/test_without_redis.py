"""A gateway and a builder that are started while Redis is away: they work, and join it when it comes."""

import asyncio
from pathlib import Path

import aiohttp
import msgspec

from gateway.settings import Settings
from gateway.wiring import open_resources
from stores.embedded.valkey import EmbeddedValkey
from stores.redis import open_redis
from tests.fixtures.gateway import Gateway, event, listening, make_tenant
from tests.fixtures.refusing import becomes
from tests.gateway.test_build import building, built
from tests.patience import AT_ALL


async def test_a_process_that_starts_without_redis_works_and_joins_it_later(
    gateway_settings: Settings, server_folder: Path, database_url: str
) -> None:
    valkey = EmbeddedValkey(server_folder / "late-valkey", volatile=True)
    redis_url = await valkey.start()
    await valkey.stop()
    settings = msgspec.structs.replace(gateway_settings, postgres_url=database_url, redis_url=redis_url)
    async with (
        building(settings) as builder,
        open_resources(settings) as resources,
        aiohttp.ClientSession() as http,
        listening(resources) as address,
    ):
        gateway = Gateway(address, await make_tenant(database_url), database_url, http, resources)
        await becomes(gateway, "degraded")
        await gateway.batch(event(messageId="without"))
        await built(gateway, {"without"})
        try:
            assert await valkey.start() == redis_url
            await becomes(gateway, "ready")
            await _joined(redis_url)
            await gateway.batch(event(messageId="with"))
            await built(gateway, {"with"})
            assert not builder.done()
        finally:
            await valkey.stop()


async def _joined(redis_url: str) -> None:
    """Wait until the gateway hears of changes by Redis."""
    client = await open_redis(redis_url)
    async with asyncio.timeout(AT_ALL):
        while not await client.pubsub_channels("tagway:segment-changes:*"):
            await asyncio.sleep(0.05)
    await client.aclose()
