"""Consent read from the banners that sites have: each page of `pages/` plays one, as its makers describe it."""

from typing import Any

import pytest
from playwright.async_api import Page

from tests.fixtures.browser import Visitor
from tests.tag_sdk.conftest import BANNERS, PURPOSES, STATEMENT, Site, loaded, names, stored

PENDING = dict.fromkeys(PURPOSES, "pending")
RAW: dict[str, dict[str, Any]] = {
    "tcf": {"tcString": "COwnString"},
    "onetrust": {"oneTrustGroups": ",C0001,C0002,C0003,C0004,"},
    "google": {
        "googleConsentMode": dict.fromkeys(
            [
                "ad_storage",
                "ad_user_data",
                "ad_personalization",
                "analytics_storage",
                "functionality_storage",
                "personalization_storage",
                "security_storage",
            ],
            "granted",
        )
    },
}


async def settled(page: Page) -> None:
    """Let the sources look again, which they do within a second."""
    await page.clock.run_for(2_000)
    await page.evaluate("fetch('/settled')")


async def opened(site: Site, visitor: Visitor, banner: str, source: str, options: dict[str, Any]) -> Page:
    site.scripts = [f"{banner}.js"]
    site.settings = {"consentFrom": {source: options}}
    page = await visitor.open()
    await page.clock.install()
    await page.goto(site.url)
    await page.wait_for_load_state("networkidle")
    return await loaded(page)


@pytest.mark.parametrize(("banner", "source", "options"), BANNERS)
async def test_nothing_is_granted_until_the_visitor_has_chosen(
    site: Site, visitor: Visitor, banner: str, source: str, options: dict[str, Any]
) -> None:
    page = await opened(site, visitor, banner, source, options)
    await page.evaluate("tagway.track('early').flush() && 0")
    for stage in ("half", "open"):
        await settled(page)
        assert await page.evaluate("tagway.consent.get()") == PENDING
        await page.evaluate(f"void cmp.{stage}()")
    await settled(page)
    assert await page.evaluate("tagway.consent.get()") == PENDING
    assert site.sent == []
    assert await stored(page) == []

    await page.evaluate("void cmp.grant()")
    await settled(page)
    assert (await page.evaluate("tagway.consent.get()"))["analytics"] == "granted"
    await site.until(lambda s: s.named("early"))
    assert names(site.events) == [STATEMENT, "page", "early"]
    for event in site.events:
        assert event["context"]["consent"]["categoryPreferences"]["analytics"] is True
        assert event["context"]["consent"]["categoryPreferences"]["sale_or_share"] is False
        assert RAW.get(source, {}).items() <= event["context"]["consent"].items()
    assert visitor.complaints == []


@pytest.mark.parametrize(("banner", "source", "options"), BANNERS)
async def test_a_refusal_forgets_everything_and_is_told_once(
    site: Site, visitor: Visitor, banner: str, source: str, options: dict[str, Any]
) -> None:
    page = await opened(site, visitor, banner, source, options)
    await page.evaluate("void (cmp.open(), 0)")
    await settled(page)
    await page.evaluate("void cmp.grant()")
    await settled(page)
    await site.until(lambda s: len(s.events) == 2)
    await page.evaluate("void (tagway.track('unsent'), cmp.refuse())")
    await settled(page)
    assert (await page.evaluate("tagway.consent.get()"))["analytics"] == "denied"
    assert await stored(page) == ["consent"]
    await site.until(lambda s: len(s.events) == 3)
    assert names(site.events)[2] == STATEMENT
    assert site.events[2]["anonymousId"] == site.events[0]["anonymousId"]
    assert not any(site.events[2]["context"]["consent"]["categoryPreferences"].values())

    page = await opened(site, visitor, banner, source, options)
    await page.evaluate("tagway.track('after').flush() && 0")
    await settled(page)
    assert len(site.events) == 3


@pytest.mark.parametrize(("banner", "source", "options"), BANNERS)
async def test_a_returning_visitor_is_the_same_and_is_not_stated_again(
    site: Site, visitor: Visitor, banner: str, source: str, options: dict[str, Any]
) -> None:
    page = await opened(site, visitor, banner, source, options)
    await page.evaluate("void cmp.open()")
    await settled(page)
    await page.evaluate("void cmp.grant()")
    await settled(page)
    await site.until(lambda s: len(s.events) == 2)
    await page.goto(f"{site.url}/second")
    await loaded(page)
    await page.evaluate("tagway.track('second') && 0")
    await page.wait_for_load_state("networkidle")
    await settled(page)
    await site.until(lambda s: len(s.distinct) == 4)
    assert names(site.distinct) == [STATEMENT, "page", "page", "second"]
    assert len({event["anonymousId"] for event in site.events}) == 1
    assert len({event["context"]["sessionId"] for event in site.events}) == 1


async def test_a_source_that_cannot_be_fetched_keeps_everything_pending(site: Site, visitor: Visitor) -> None:
    await visitor.context.route("**/tag/consent/*.js", lambda route: route.abort())
    site.settings = {"consentFrom": {"tcf": {}}, "consent": {"analytics": "granted"}}
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("tagway.consent.set({analytics: true}).track('held').flush() && 0")
    await page.wait_for_load_state("networkidle")
    assert (await page.evaluate("tagway.consent.get()"))["analytics"] == "pending"
    assert site.sent == []


async def test_the_strictest_source_wins(site: Site, visitor: Visitor) -> None:
    page = await opened(site, visitor, "cookiebot", "cookiebot", {})
    await page.evaluate("void (cmp.grant(), tagway.consent.set({analytics: false}))")
    await settled(page)
    states = await page.evaluate("tagway.consent.get()")
    assert (states["analytics"], states["functional"]) == ("denied", "granted")
    await page.evaluate("void (cmp.refuse(), tagway.consent.set({analytics: true, functional: true}))")
    await settled(page)
    assert (await page.evaluate("tagway.consent.get()"))["functional"] == "denied"


async def test_a_source_of_the_page_s_own_is_any_function(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script(
        "document.addEventListener('readystatechange', () => document.readyState === 'interactive' &&"
        " tagway.consent.from(report => { window.report = report; }), {once: true})"
    )
    site.settings = {"consent": {"analytics": "granted"}}
    page = await loaded(await visitor.open(site.url))
    assert await page.evaluate("tagway.consent.get()") == PENDING
    await page.evaluate("void report({analytics: true, advertising: 'maybe'})")
    assert await page.evaluate("tagway.consent.get()") == PENDING | {"analytics": "granted", "advertising": "denied"}
    await site.until(lambda s: len(s.events) == 2)


async def test_where_the_gdpr_does_not_apply_tcf_leaves_the_choice_to_the_site(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script(
        "window.__tcfapi = (command, version, callback) => callback({gdprApplies: false, cmpStatus: 'loaded'}, true)"
    )
    site.settings = {"consentFrom": {"tcf": {}}, "consent": {"analytics": "granted"}}
    await visitor.open(site.url)
    await site.until(lambda s: s.events)


@pytest.mark.parametrize(
    ("vendor", "granted"),
    [
        ({"consents": {"9": True}}, True),
        ({"consents": {"8": True}}, False),
        ({"consents": {"9": True}, "disclosedVendors": {"8": True}}, False),
    ],
)
async def test_tcf_holds_a_named_vendor_against_the_string(
    site: Site, visitor: Visitor, vendor: dict[str, Any], granted: bool
) -> None:
    data = {
        "gdprApplies": True,
        "eventStatus": "tcloaded",
        "purpose": {"consents": dict.fromkeys("123456789", True)},
        "vendor": vendor,
        "publisher": {"restrictions": {"5": {"9": 0}}},
    }
    await visitor.context.add_init_script(
        f"window.__tcfapi = (command, version, done) => done({data!r}, true)".replace("True", "true")
    )
    site.settings = {"consentFrom": {"tcf": {"vendor": 9}}}
    page = await visitor.open(site.url)
    await page.wait_for_load_state("networkidle")
    states = await page.evaluate("tagway.consent.get()")
    assert states["analytics"] == ("granted" if granted else "denied")
    assert states["personalization"] == "denied"


async def test_tcf_is_found_around_a_frame(site: Site, visitor: Visitor) -> None:
    site.scripts = ["tcf.js", "tcf_outside.js"]
    site.settings = {"consentFrom": {"tcf": {}}}
    site.body = '<iframe src="/inside"></iframe>'
    site.headers = {"Content-Security-Policy": "default-src 'self'"}
    page = await visitor.open()
    await page.route("**/inside", lambda route: route.fulfill(body=FRAME, content_type="text/html"))
    await page.goto(site.url)
    await page.evaluate("void cmp.grant()")
    await site.until(lambda s: any(event["context"]["page"]["path"] == "/inside" for event in s.events))


FRAME = '<!doctype html><title>inside</title><script src="/loader.js"></script>'


async def test_gpp_refuses_what_was_opted_out_of_and_is_trusted_only_when_ready(site: Site, visitor: Visitor) -> None:
    site.scripts = ["gpp.js"]
    site.settings = {"consentFrom": {"gpp": {}}, "consent": dict.fromkeys(PENDING, "granted")}
    page = await loaded(await visitor.open(site.url))
    await page.wait_for_load_state("networkidle")
    assert await page.evaluate("tagway.consent.get()") == PENDING
    await page.evaluate("void cmp.national({})")
    assert set((await page.evaluate("tagway.consent.get()")).values()) == {"granted"}
    await site.until(lambda s: s.events)
    assert site.events[0]["context"]["consent"]["gppSid"] == [7]
    assert site.events[0]["context"]["consent"]["gppString"].startswith("DBABLA~")
    await page.evaluate("void cmp.change()")
    assert set((await page.evaluate("tagway.consent.get()")).values()) == {"granted"}
    for fields, refused in GPP:
        await page.evaluate("fields => void cmp.national(fields)", fields)
        states = await page.evaluate("tagway.consent.get()")
        assert {purpose for purpose, state in states.items() if state == "denied"} == refused, fields


BOTH = {"advertising", "sale_or_share"}
GPP: list[tuple[dict[str, Any], set[str]]] = [
    ({"SaleOptOut": 1}, {"sale_or_share"}),
    ({"SharingOptOut": 1}, {"sale_or_share"}),
    ({"SaleOptOutNotice": 2}, {"sale_or_share"}),
    ({"SaleOptOutNotice": 0}, {"sale_or_share"}),
    ({"TargetedAdvertisingOptOut": 1}, BOTH),
    ({"MspaServiceProviderMode": 1}, BOTH),
    ({"KnownChildSensitiveDataConsents": [0, 1]}, BOTH),
    ({"Gpc": True}, BOTH),
    ({"PersonalDataConsents": 2}, BOTH),
    ({"SaleOptOut": 3}, BOTH),
    ({}, set()),
]


async def test_gpp_grants_europe_by_its_own_section(site: Site, visitor: Visitor) -> None:
    site.scripts = ["gpp.js"]
    site.settings = {"consentFrom": {"gpp": {}}, "consent": {"analytics": "granted"}}
    page = await loaded(await visitor.open(site.url))
    await page.wait_for_load_state("networkidle")
    ready = {"signalStatus": "ready", "gppString": "DBABMA~x", "applicableSections": [2]}
    await page.evaluate("ready => void cmp.tell(ready)", ready | {"parsedSections": {}})
    assert (await page.evaluate("tagway.consent.get()"))["analytics"] == "pending"
    consents = [True] + [False] * 6 + [True, True, False, False]
    sections = {"tcfeuv2": [{"Version": 2, "PurposeConsents": consents}]}
    await page.evaluate("ready => void cmp.tell(ready)", ready | {"parsedSections": sections})
    states = await page.evaluate("tagway.consent.get()")
    assert (states["analytics"], states["advertising"]) == ("granted", "denied")


async def test_us_privacy_refuses_sale_and_is_asked_again(site: Site, visitor: Visitor) -> None:
    site.scripts = ["usp.js"]
    site.settings = {"consentFrom": {"usp": {}}, "consent": dict.fromkeys(PENDING, "granted")}
    page = await visitor.open()
    await page.clock.install()
    await page.goto(site.url)
    await page.wait_for_load_state("networkidle")
    await loaded(page)
    for text, sale in [
        (None, "pending"),
        ("1YY", "pending"),
        ("1---", "granted"),
        ("1YYN", "denied"),
        ("1YNN", "granted"),
        ("1NNN", "denied"),
    ]:
        await page.evaluate("text => void cmp.say(text)", text)
        await page.clock.run_for(3_000)
        assert (await page.evaluate("tagway.consent.get()"))["sale_or_share"] == sale, text
    assert (await page.evaluate("tagway.consent.get()"))["advertising"] == "granted"
    assert {event["context"]["consent"]["uspString"] for event in site.events} >= {"1YYN"}


async def test_consent_mode_waits_as_long_as_it_is_asked_to(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script(
        "window.dataLayer = [['consent', 'default', {analytics_storage: 'granted', wait_for_update: 60000}]]"
    )
    site.settings = {"consentFrom": {"google": {}}}
    page = await visitor.open()
    await page.clock.install()
    await page.goto(site.url)
    await page.wait_for_load_state("networkidle")
    await loaded(page)
    assert (await page.evaluate("tagway.consent.get()"))["analytics"] == "pending"
    await page.clock.run_for(61_000)
    assert await page.evaluate("tagway.consent.get()") == PENDING | {"analytics": "granted"}
    assert await page.evaluate("dataLayer.push(['event', 'x'])") == 2
