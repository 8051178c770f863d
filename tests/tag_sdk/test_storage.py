import json
from typing import Any

import pytest
from playwright.async_api import Page

from tests.fixtures.browser import Visitor
from tests.tag_sdk.conftest import (
    ALL,
    PURPOSES,
    STATEMENT,
    WRITE_KEY,
    Site,
    agreed,
    consent,
    loaded,
    names,
    stored,
    timed,
)

OLD = "0b8f6a52-1111-4222-8333-444455556666"


async def baked(page: Page) -> dict[str, Any]:
    """Return the tag's cookies by their short names."""
    cookies = await page.context.cookies()
    prefix = f"tagway.{WRITE_KEY}."
    return {cookie["name"].removeprefix(prefix): cookie for cookie in cookies if cookie["name"].startswith(prefix)}


async def test_cookies_hold_ids_once_consent_is_given_and_until_it_is_withdrawn(site: Site, visitor: Visitor) -> None:
    site.settings = {"storage": "cookie"}
    page = await loaded(await visitor.open(site.url))
    assert await baked(page) == {}
    await consent(page, ALL)
    await site.until(lambda s: len(s.events) == 2)
    cookies = await baked(page)
    assert set(cookies) == {"consent", "identity", "session"}
    assert {cookie["sameSite"] for cookie in cookies.values()} == {"Lax"}
    assert await stored(page) == ["consent"]
    await page.goto(f"{site.url}/next")
    await site.until(lambda s: len(s.distinct) == 3)
    assert len({event["anonymousId"] for event in site.events}) == 1
    await page.evaluate("tagway.consent.withdraw() && 0")
    assert set(await baked(page)) == {"consent"}


async def test_a_withdrawal_reaches_other_tabs_through_cookies_too(site: Site, visitor: Visitor) -> None:
    site.settings = {"storage": "cookie"}
    first = await agreed(site, visitor)
    second = await loaded(await visitor.open(f"{site.url}/second"))
    await first.evaluate("void (window.told = new Promise(done => tagway.on('consent', done)))")
    await second.evaluate("tagway.consent.withdraw() && 0")
    assert (await first.evaluate("told"))["analytics"] == "denied"


async def test_signals_that_are_too_long_for_a_cookie_do_not_crowd_out_the_choice(site: Site, visitor: Visitor) -> None:
    site.settings = {"storage": "cookie", "consentFrom": {"tcf": {}}}
    data = {"gdprApplies": True, "eventStatus": "tcloaded", "tcString": "C" * 5000}
    data |= {"purpose": {"consents": {"1": True, "8": True, "9": True}}}
    await visitor.context.add_init_script(
        f"window.__tcfapi = (command, version, done) => done({json.dumps(data)}, true)"
    )
    page = await loaded(await visitor.open(site.url))
    await site.until(lambda s: len(s.events) == 2)
    assert {len(event["context"]["consent"]["tcString"]) for event in site.events} == {5000}
    await page.evaluate("void tagway.optOut()")
    again = await loaded(await visitor.open(f"{site.url}/again"))
    await again.wait_for_load_state("networkidle")
    assert await again.evaluate("tagway.consent.get().analytics") == "denied"


async def test_memory_forgets_with_the_page(site: Site, visitor: Visitor) -> None:
    site.settings = {"storage": "memory", "consent": dict.fromkeys(PURPOSES, "granted")}
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("tagway.track('seen').flush() && 0")
    await site.until(lambda s: len(s.events) == 2)
    assert len({event["anonymousId"] for event in site.events}) == 1
    assert await stored(page) == []
    assert await page.evaluate("document.cookie") == ""
    await page.goto(f"{site.url}/next")
    await site.until(lambda s: len(s.distinct) == 3)
    assert len({event["anonymousId"] for event in site.events}) == 2


async def test_none_links_no_event_to_another(site: Site, visitor: Visitor) -> None:
    site.settings = {"storage": "none"}
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await page.evaluate("tagway.track('seen').track('seen').flush() && 0")
    await site.until(lambda s: len(s.events) == 4)
    assert len({event["anonymousId"] for event in site.events}) == 4
    assert not any("sessionId" in event["context"] for event in site.events)
    assert await stored(page) == []


async def test_the_gateway_s_cookie_brings_an_older_id_back_before_anything_is_sent(
    site: Site, visitor: Visitor
) -> None:
    site.settings = {"serverCookie": True}
    site.remembered = OLD
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("tagway.track('early') && 0")
    assert site.visitors == []
    await consent(page, ALL)
    await site.until(lambda s: len(s.events) == 3)
    assert names(site.events) == [STATEMENT, "page", "early"]
    assert {event["anonymousId"] for event in site.events} == {OLD}
    assert await page.evaluate("tagway.user().anonymousId") == OLD
    await page.evaluate("tagway.consent.withdraw() && 0")
    await site.until(lambda s: len(s.visitors) == 2)
    assert site.visitors[1] == {"writeKey": WRITE_KEY}


async def test_a_gateway_that_does_not_answer_is_not_waited_for(site: Site, visitor: Visitor) -> None:
    site.settings = {"serverCookie": True}
    await visitor.context.route("**/v1/visitor", lambda route: route.abort())
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await site.until(lambda s: len(s.events) == 2)


async def test_leaving_while_the_gateway_is_asked_loses_nothing(site: Site, visitor: Visitor) -> None:
    site.settings = {"serverCookie": True}
    await visitor.context.route("**/v1/visitor", lambda _route: None)
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await page.evaluate("tagway.track('last words') && 0")
    assert site.sent == []
    await page.goto("about:blank")
    await site.until(lambda s: s.named("last words") and s.named(STATEMENT))


@pytest.mark.parametrize("stored_before", [False, True])
async def test_signing_out_while_consent_is_pending_parts_the_visitors(
    site: Site, visitor: Visitor, stored_before: bool
) -> None:
    if stored_before:
        page = await agreed(site, visitor)
        await page.evaluate("tagway.identify('ann').flush() && 0")
        await site.until(lambda s: len(s.events) == 3)
        await page.goto("about:blank")
    site.scripts = ["callback.js"]
    site.settings = {"consentFrom": {"callback": {}}}
    page = await timed(site, visitor)
    await page.evaluate("tagway.track('before').reset().track('after'); cmp.open(); cmp.grant()")
    await page.clock.run_for(5_000)
    await site.until(lambda s: s.named("after"))
    before, after = site.named("before")[0], site.named("after")[0]
    assert before["anonymousId"] != after["anonymousId"]
    assert before.get("userId") == ("ann" if stored_before else None)
    assert "userId" not in after
    assert await page.evaluate("tagway.user().anonymousId") == after["anonymousId"]
