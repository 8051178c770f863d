"""Banners that lie, break or are half there, and places where a page may do little: nothing is granted or throws."""

import pytest

from tests.fixtures.browser import Visitor
from tests.tag_sdk.conftest import WRITE_KEY, Site, consent, loaded, names

SOURCES = ("tcf", "gpp", "usp", "google", "onetrust", "cookiebot", "usercentrics", "didomi", "callback")
READY = "gdprApplies: true, eventStatus: 'tcloaded'"
LIES = f"""
    window.__tcfapi = (command, version, done) => {{
        done(null, true); done('yes', true);
        const consents = {{1: true, 8: true, 9: true}};
        done({{gdprApplies: 'true', eventStatus: 'tcloaded', purpose: {{consents}}}}, true);
        done({{{READY}, purpose: {{consents: {{1: 'true', 8: 1, 9: {{}}}}}}}}, true);
    }};
    window.__gpp = (command, done) => {{
        done(null, true);
        const parsedSections = {{tcfeuv2: {{PurposeConsents: '1111'}}}};
        done({{pingData: {{signalStatus: 'ready', applicableSections: [2], parsedSections}}}});
    }};
    window.__uspapi = (command, version, done) => done({{uspString: {{}}}}, true);
    window.dataLayer = [null, 5, 'x', ['consent'], ['consent', 'update', null], ['consent', 'update', 'granted'],
        ['consent', 'update', {{analytics_storage: 'GRANTED'}}], ['consent', 'update', {{analytics_storage: true}}]];
    window.OnetrustActiveGroups = ['C0002'];
    window.OneTrust = {{IsAlertBoxClosed: () => 'true'}};
    window.Cookiebot = {{consent: {{statistics: 'yes'}}, hasResponse: 'yes'}};
    window.UC_UI = {{isInitialized: () => true, isConsentRequired: () => null, getServicesBaseInfo: () => null}};
    window.Didomi = {{shouldUserStatusBeCollected: () => false, getCurrentUserStatus: () => ({{purposes: {{
        cookies: {{enabled: 'true'}}, measure_content_performance: {{enabled: 1}}, market_research: {{}}}}}})}};
    window.didomiOnReady = {{push: ready => ready(Didomi)}};
    window.tagwayConsent = report => report({{analytics: 'yes'}});
"""
BREAKS = """
    const fail = () => { throw new Error('half built'); };
    window.__tcfapi = window.__gpp = window.__uspapi = window.tagwayConsent = fail;
    window.dataLayer = Object.freeze([['consent', 'default', {}]]);
    window.OnetrustActiveGroups = ',C0002,';
    window.OneTrust = {IsAlertBoxClosed: fail, OnConsentChanged: fail};
    window.Cookiebot = {hasResponse: true, get consent() { return fail(); }};
    window.__ucCmp = {isInitialized: async () => fail(), getConsentDetails: fail};
    window.Didomi = {getCurrentUserStatus: fail, shouldUserStatusBeCollected: () => false};
    window.didomiEventListeners = 'none';
"""
LATE = f"setTimeout(() => {{ {BREAKS} dispatchEvent(new Event('CookiebotOnAccept')); }}, 300);"


@pytest.mark.parametrize("script", [LIES, BREAKS, LATE], ids=["lies", "breaks", "breaks late"])
async def test_no_banner_that_is_not_clear_grants_anything_or_harms_the_page(
    site: Site, visitor: Visitor, script: str
) -> None:
    await visitor.context.add_init_script(script)
    # A tag for each banner, as the strictest of several would hide the rest.
    site.embed = "".join(f'<script src="/tag/{WRITE_KEY}.js" data-name="{name}_tag"></script>' for name in SOURCES)
    page = await visitor.open(site.url)
    await page.evaluate(
        "names => void names.forEach(name => window[`${name}_tag`].consent.from(name).track('early'))", SOURCES
    )
    await page.wait_for_load_state("networkidle")
    await page.wait_for_timeout(1_500)  # the sources look again meanwhile
    states = await page.evaluate(
        "names => names.map(name => [name, window[`${name}_tag`].consent.get().analytics])", SOURCES
    )
    assert [name for name, state in states if state == "granted"] == []
    assert site.sent == []
    assert visitor.complaints == []


async def test_what_a_banner_said_does_not_hold_once_it_fails(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script(
        "window.__tcfapi = (command, version, done) => (window.say = done)"
        f"({{{READY}, purpose: {{consents: {{1: true, 8: true, 9: true}}}}}}, true)"
    )
    site.settings = {"consentFrom": {"tcf": {}}}
    page = await loaded(await visitor.open(site.url))
    await site.until(lambda s: "page" in names(s.events))
    for failure in ("{cmpStatus: 'error', gdprApplies: true}, true", "null, false"):
        await page.evaluate(f"say({failure})")
        assert await page.evaluate("tagway.consent.get().analytics") == "pending"
    await page.evaluate("void tagway.track('unsure').flush()")
    await page.wait_for_load_state("networkidle")
    assert site.named("unsure") == []


async def test_a_frame_that_may_store_nothing_breaks_nothing(site: Site, visitor: Visitor) -> None:
    site.settings = {"consent": {"analytics": "granted"}, "storage": "cookie"}
    site.body = '<iframe sandbox="allow-scripts" src="/inside"></iframe>'
    site.headers = {"Content-Security-Policy": "default-src *"}
    await visitor.context.add_init_script(
        "window.thrown = []; addEventListener('unhandledrejection', event => thrown.push(String(event.reason)))"
    )
    page = await visitor.open(site.url)
    await site.until(lambda s: {event["context"]["page"]["path"] for event in s.events} >= {"/", "/inside"})
    inside = next(frame for frame in page.frames if frame.url.endswith("/inside"))
    await inside.evaluate("void tagway.track('framed').flush()")
    await site.until(lambda s: s.named("framed"))
    assert await inside.evaluate("thrown") == []
    assert visitor.complaints == []


async def test_identifiers_that_are_not_there_leave_the_rest_in_their_places(site: Site, visitor: Visitor) -> None:
    page = await loaded(await visitor.open(site.url))
    await consent(page, {"analytics": True})
    await page.evaluate(
        """() => {
        tagway.identify(undefined, {plan: 'a'}).identify(null, {plan: 'b'}).track('none', null, {context: {x: 1}})
            .track('undefined', undefined, {context: {x: 1}}).page('Named', null, {context: {x: 1}})
            .alias('u-1', undefined, {context: {x: 1}}).flush();
    }"""
    )
    await site.until(lambda s: [event for event in s.events if event["type"] == "alias"])
    events = site.distinct[-6:]
    assert [event.get("traits") for event in events[:2]] == [{"plan": "a"}, {"plan": "b"}]
    assert [event["context"].get("x") for event in events[2:]] == [1] * 4
    assert events[4]["name"] == "Named"
