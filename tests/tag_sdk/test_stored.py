"""The built tag against the real gateway: what counts is what was kept."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route

from domain.consent import Purpose
from tests.fixtures.browser import Visitor
from tests.fixtures.gateway import GRANTED, Gateway, event
from tests.fixtures.seeds import Seeds
from tests.tag_sdk.conftest import ALL, BANNERS, STATEMENT, Site, consent, loaded
from tests.tag_sdk.stored import embed, logged, named

ACCEPTED, REFUSED = "accept_all_purposes_bitfield_vendors", "reject_all_v23"
VECTORS = Path(__file__).parents[1] / "privacy" / "vectors" / "tcf.json"


async def results(page: Page) -> list[str]:
    """Return the outcomes of the next answer."""
    outcomes: list[str] = await page.evaluate(
        "new Promise(done => tagway.on('results', results => done(results.map(each => each.outcome))).flush())"
    )
    return outcomes


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
        (ACCEPTED, None, True),
        (REFUSED, None, False),
        (REFUSED, ACCEPTED, False),
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


@pytest.mark.parametrize(("banner", "source", "options"), BANNERS)
async def test_what_each_banner_says_decides_what_is_kept(
    site: Site, gateway: Gateway, visitor: Visitor, banner: str, source: str, options: dict[str, Any]
) -> None:
    await embed(site, gateway, {"consentFrom": {source: options}})
    site.scripts = [f"{banner}.js"]
    accepted, refused = (tcf_string(each)[0] for each in (ACCEPTED, REFUSED))
    await visitor.context.add_init_script(f"window.tcStrings = {{true: '{accepted}', false: '{refused}'}}")
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("void (tagway.track('product_view', {product_id: 'early'}), cmp.half(), cmp.open())")
    await page.wait_for_load_state("networkidle")
    assert await gateway.logged() == []
    await page.evaluate("void cmp.grant()")
    (view,) = named(await logged(gateway, lambda events: named(events, "product_view")), "product_view")
    assert Purpose.ANALYTICS in view.purposes
    await page.evaluate("void cmp.refuse()")
    await page.wait_for_function("tagway.consent.get().analytics === 'denied'")
    await page.evaluate("void tagway.track('product_view', {product_id: 'late'}).flush()")
    await logged(gateway, lambda events: len(named(events, STATEMENT)) == 2)
    assert named(await gateway.logged(), "product_view") == [view]
    rows = await gateway.sql(
        "SELECT purpose, state FROM consent WHERE workspace_id = $1 AND state = 'granted'", gateway.tenant.workspace
    )
    assert rows == []
    assert visitor.complaints == []


async def test_a_browser_s_refusal_of_sale_is_kept_whatever_is_allowed(
    site: Site, gateway: Gateway, visitor: Visitor
) -> None:
    await embed(site, gateway, {})
    await visitor.context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
    await visitor.context.set_extra_http_headers({"Sec-GPC": "1"})
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("void tagway.track('product_view', {product_id: 'lamp'})")
    await consent(page, ALL)
    (view,) = named(await logged(gateway, lambda events: named(events, "product_view")), "product_view")
    assert Purpose.ANALYTICS in view.purposes
    assert not {Purpose.ADVERTISING, Purpose.SALE_OR_SHARE} & set(view.purposes)


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
