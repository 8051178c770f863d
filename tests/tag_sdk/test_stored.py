"""The built tag against the real gateway: what counts is what was kept."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Route
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from domain.clock import utc_now
from domain.consent import Purpose
from domain.event import ProtectedEvent
from domain.site import SiteSettings
from gateway.cli.sites import read_settings_file
from stores.keys import find_key
from stores.sites import write_site
from tests.fixtures.browser import Visitor
from tests.fixtures.gateway import GRANTED, Gateway, event
from tests.fixtures.graphql import Seeds
from tests.tag_sdk.conftest import ALL, Site, consent, loaded

VECTORS = Path(__file__).parents[1] / "privacy" / "vectors" / "tcf.json"
NAVIGATIONS, TABS, SECONDS = 1000, 2, 40
TAB = 10_000
"""A tab's first position."""
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


async def test_slots_follow_the_visitor_s_segments_until_they_refuse_anywhere(
    site: Site, gateway: Gateway, seeds: Seeds, visitor: Visitor
) -> None:
    await seeds.segment("keen")
    profile = await seeds.profile(anonymous_id="returning-1")
    slots = {"hero": [{"segment": "keen", "text": "Three lamps for two"}]}
    await embed(site, gateway, {"extras": {"slots": {"slots": slots, "token": "/token"}}})
    site.body = '<p data-tagway-slot="hero">Hello</p>'
    site.headers["Content-Security-Policy"] += gateway.url.replace("http:", " ws:")
    asked: list[str] = []

    async def give_token(route: Route) -> None:
        wish = route.request.post_data_json or {}
        asked.append(wish["anonymousId"])
        bearer = {"Authorization": f"Bearer {gateway.tenant.secret_key}"}
        status, answer = await gateway.post("/token", wish, headers=bearer)
        await route.fulfill(status=status, json=answer)

    await visitor.context.route(f"{site.url}/token", give_token)
    identity = f"tagway.{gateway.tenant.write_key}.identity"
    await visitor.context.add_init_script(f"localStorage['{identity}'] = '{{\"anonymousId\": \"returning-1\"}}'")
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("void tagway.consent.set({analytics: true, personalization: false})")
    await logged(gateway, lambda events: events)
    assert asked == []
    await consent(page, ALL)
    await seeds.happen(profile, "keen")
    hero = page.locator("[data-tagway-slot=hero]")
    await hero.get_by_text("Three lamps for two").wait_for()
    refusal = event("Consent Preference Updated", {**GRANTED, "personalization": False}, anonymousId="returning-1")
    await gateway.batch(refusal)
    await hero.get_by_text("Hello").wait_for()
    assert len(asked) == 1
    assert visitor.complaints == []


async def test_no_event_is_lost_in_a_thousand_quick_navigations(site: Site, gateway: Gateway, visitor: Visitor) -> None:
    await embed(site, gateway, {"consent": {"analytics": "granted"}})
    told = await walk(site, visitor, NAVIGATIONS)
    events = await logged(gateway, lambda events: told <= positions(events))
    assert positions(events) == told
    assert len(told) >= NAVIGATIONS / 10


async def test_nothing_is_sent_by_quick_navigations_before_consent(
    site: Site, gateway: Gateway, visitor: Visitor
) -> None:
    await embed(site, gateway, {})
    methods: set[str] = set()
    visitor.context.on("request", lambda request: methods.add(request.method))
    told = await walk(site, visitor, NAVIGATIONS // 10)
    assert methods == {"GET"}
    assert await visitor.context.cookies() == []
    await consent(visitor.context.pages[0], ALL)
    events = await logged(gateway, lambda events: len(named(events, "step")) >= TABS)
    # What the pages before had held went with them: it was in their memory alone.
    assert positions(events) == {max(each for each in told if each // TAB == tab) for tab in range(TABS)}


async def walk(site: Site, visitor: Visitor, navigations: int) -> set[int]:
    """Have some tabs go through pages as fast as they can; return the positions that they told of.

    A slow machine goes as far as it comes in its time.
    """
    site.body = '<script src="/pages/walk.js"></script>'
    last = navigations // TABS - 1
    pages = [await visitor.open() for _ in range(TABS)]

    async def go(tab: int, page: Page) -> None:
        await page.goto(f"{site.url}/{tab}/0/{last}", wait_until="commit")
        await page.wait_for_url(f"{site.url}/{tab}/{last}/{last}", timeout=1000 * SECONDS)

    async def stand(tab: int, page: Page) -> set[int]:
        await page.wait_for_function(
            "last => location.pathname.endsWith(`/${last}/${last}`) || !window.walking", arg=last
        )
        await page.wait_for_load_state()
        place = int(urlsplit(page.url).path.split("/")[2])
        await page.evaluate("void tagway.flush()")
        return {tab * TAB + each for each in range(place + await page.evaluate("+!!window.walking"))}

    with suppress(PlaywrightTimeoutError):
        await asyncio.gather(*(go(tab, page) for tab, page in enumerate(pages)))
    site.body = ""
    return set().union(*[await stand(tab, page) for tab, page in enumerate(pages)])


def positions(events: list[ProtectedEvent]) -> set[Any]:
    return {event.properties["position"] for event in named(events, "step")}
