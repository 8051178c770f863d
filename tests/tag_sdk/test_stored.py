"""The built tag against the real gateway: what counts is what was kept."""

import json
from pathlib import Path

import pytest
from playwright.async_api import Page, Route

from domain.consent import Purpose
from tests.fixtures.browser import Visitor
from tests.fixtures.gateway import GRANTED, Gateway, event
from tests.fixtures.graphql import Seeds
from tests.tag_sdk.conftest import ALL, Site, consent, loaded
from tests.tag_sdk.stored import embed, logged, named

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
