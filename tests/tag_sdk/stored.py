"""What the real gateway kept of what the built tag sent."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import pytest

from domain.clock import utc_now
from domain.event import ProtectedEvent
from domain.site import SiteSettings
from gateway.cli.sites import read_settings_file
from stores.keys import find_key
from stores.sites import write_site
from tests.fixtures.gateway import Gateway
from tests.patience import AT_ALL
from tests.tag_sdk.conftest import Site

POLICY = "default-src 'none'; script-src 'self' {0}; connect-src 'self' {0}"


async def embed(site: Site, gateway: Gateway, settings: dict[str, Any]) -> None:
    """Have the site embed the gateway's own tag, told these settings."""
    await write(gateway, read_settings_file(json.dumps(settings).encode()))
    gateway.resources.sites._sites.clear()
    site.embed = f'<script src="{gateway.url}/tag/{gateway.tenant.write_key}.js"></script>'
    site.headers = {"Content-Security-Policy": POLICY.format(gateway.url)}


async def write(gateway: Gateway, settings: SiteSettings) -> None:
    async with gateway.resources.database.workspace(gateway.tenant.workspace) as connection:
        key = await find_key(connection, gateway.tenant.write_key)
        assert key is not None
        assert await write_site(connection, key.workspace, key.id, settings, utc_now())


async def logged(gateway: Gateway, reached: Callable[[list[ProtectedEvent]], object]) -> list[ProtectedEvent]:
    """Wait until the log satisfies `reached`, and return what it holds then."""
    return await lacking(gateway, lambda events: [] if reached(events) else ["what the test waits for"])


async def lacking(
    gateway: Gateway, missing: Callable[[list[ProtectedEvent]], Collection[object]]
) -> list[ProtectedEvent]:
    """Wait until nothing is missing on the log, and return what it holds then."""
    events: list[ProtectedEvent] = []
    try:
        async with asyncio.timeout(1.5 * AT_ALL):
            while left := missing(events):
                await asyncio.sleep(0.1)
                # Counting is left to Postgres: a test that reads a long log again and again slows down what it awaits.
                if await gateway.log_length() > len(events):
                    events = await gateway.logged()
    except TimeoutError:
        pytest.fail(f"the log holds {len(events)} events ({Counter(each.name for each in events)}), but not {left}")
    return events


def named(events: list[ProtectedEvent], name: str) -> list[ProtectedEvent]:
    return [event for event in events if event.name == name]
