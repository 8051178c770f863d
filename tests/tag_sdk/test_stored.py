"""The built tag against the real gateway: what counts is what was kept."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from domain.clock import utc_now
from domain.consent import Purpose
from domain.event import ProtectedEvent
from domain.site import SiteSettings
from gateway.cli.sites import read_settings_file
from stores.keys import find_key
from stores.sites import write_site
from tests.fixtures.browser import Visitor
from tests.fixtures.gateway import Gateway
from tests.tag_sdk.conftest import ALL, Site, consent, loaded

VECTORS = Path(__file__).parents[1] / "privacy" / "vectors" / "tcf.json"
NAVIGATIONS, SECONDS = 1000, 80
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
    async with asyncio.timeout(20):
        while not reached(events := await gateway.logged()):
            await asyncio.sleep(0.1)
    return events


async def results(page: Page) -> list[str]:
    """Return the outcomes of the next answer."""
    outcomes: list[str] = await page.evaluate(
        "new Promise(done => tagway.on('results', results => done(results.map(each => each.outcome))).flush())"
    )
    return outcomes


def named(events: list[ProtectedEvent], name: str) -> list[ProtectedEvent]:
    return [event for event in events if event.name == name]


def tcf_string(name: str) -> tuple[str, dict[str, bool]]:
    """Return a string of the vectors, and its purposes as a CMP would tell them."""
    (vector,) = [each for each in json.loads(VECTORS.read_text())["valid"] if each["name"] == name]
    granted = vector["expected"]["purposesConsent"]
    return vector["string"], {str(purpose): purpose in granted for purpose in range(1, 12)}


async def test_pending_granted_withdrawn(site: Site, gateway: Gateway, visitor: Visitor) -> None:
    await embed(site, gateway, {})
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("tagway.track('product_view', {product_id: 'early'}) && 0")
    assert await gateway.logged() == []
    await consent(page, ALL)
    await logged(gateway, lambda events: named(events, "product_view"))
    await page.evaluate("tagway.track('unsent', {}).consent.withdraw() && 0")
    events = await logged(gateway, lambda events: len(named(events, "Consent Preference Updated")) == 2)
    (view,) = named(events, "product_view")
    assert view.properties["product_id"] == "early"
    assert {Purpose.ANALYTICS, Purpose.ADVERTISING} <= set(view.purposes)
    assert named(events, "unsent") == []


@pytest.mark.parametrize(
    ("string", "claimed", "kept"),
    [
        ("accept_all_purposes_bitfield_vendors", None, True),
        ("reject_all_v23", None, False),
        ("reject_all_v23", "accept_all_purposes_bitfield_vendors", False),
    ],
    ids=["accepted", "refused", "a banner that says more than its string"],
)
async def test_a_banner_of_the_tcf_is_held_against_its_string(
    site: Site, gateway: Gateway, visitor: Visitor, string: str, claimed: str | None, kept: bool
) -> None:
    await embed(site, gateway, {"consentFrom": {"tcf": {}}})
    text, purposes = tcf_string(string)
    _, told = tcf_string(claimed) if claimed else ("", purposes)
    data = {"gdprApplies": True, "eventStatus": "tcloaded", "tcString": text, "purpose": {"consents": told}}
    await visitor.context.add_init_script(
        f"window.__tcfapi = (command, version, done) => done({json.dumps(data)}, true)"
    )
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("tagway.track('product_view', {product_id: 'lamp'}) && 0")
    if kept:
        await logged(gateway, lambda events: named(events, "product_view"))
    if claimed:
        assert set(await results(page)) == {"dropped_consent"}
    await page.wait_for_load_state("networkidle")
    assert bool(named(await gateway.logged(), "product_view")) is kept


async def test_no_event_is_lost_in_a_thousand_quick_navigations(site: Site, gateway: Gateway, visitor: Visitor) -> None:
    await embed(site, gateway, {"consent": {"analytics": "granted"}})
    page = await loaded(await visitor.open(site.url))
    step = "where => void (tagway.track('step', {position: +where.split('/').pop()}), location.assign(where))"
    done = 0
    clock = asyncio.get_running_loop().time
    # A slow machine goes as far as it comes in this time.
    end = clock() + SECONDS
    while done < NAVIGATIONS and clock() < end:
        await page.evaluate(step, f"{site.url}/{done}")
        await page.wait_for_url(f"{site.url}/{done}", wait_until="domcontentloaded")
        done += 1
    await page.evaluate("tagway.flush() && 0")
    events = await logged(gateway, lambda events: len(named(events, "step")) >= done)
    assert {event.properties["position"] for event in named(events, "step")} == set(range(done))
    assert done >= NAVIGATIONS / 10
