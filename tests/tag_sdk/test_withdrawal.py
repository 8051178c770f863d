"""A withdrawal that the gateway could not hear at once."""

import json
from typing import Any

from playwright.async_api import Browser, Page

from tests.fixtures.browser import Visitor
from tests.lacking import missing
from tests.tag_sdk.conftest import (
    ALL,
    STATEMENT,
    WRITE_KEY,
    Sent,
    Site,
    agreed,
    consent,
    loaded,
    names,
    only_the_choice_is_left,
    timed,
)
from tests.tag_sdk.test_page import caching_browser

__all__ = ["caching_browser"]

LEFT = f"tagway.{WRITE_KEY}.queue.left"


async def unheard(site: Site, visitor: Visitor, name: str = "/v1/batch") -> dict[str, Any]:
    """Consent, withdraw while the gateway is away, close the page, and return what it left in the browser."""
    page = await agreed(site, visitor)
    await page.evaluate("tagway.identify('ann').flush() && 0")
    await site.until(lambda s: len(s.events) == 3)
    await page.wait_for_load_state("networkidle")
    await visitor.context.route(f"**{name}", lambda route: route.abort())
    async with page.expect_event("requestfailed"):
        await page.evaluate("tagway.track('unsent').consent.withdraw() && 0")
    kept = await page.evaluate("({...localStorage})")
    await page.close()
    await visitor.context.unroute(f"**{name}")
    site.sent.clear()
    return {key.removeprefix(f"tagway.{WRITE_KEY}."): json.loads(value) for key, value in kept.items()}


async def quiet(page: Page) -> None:
    """Let a minute of the page's time pass: whatever the tag still had to send has been sent."""
    for _ in range(6):
        await page.clock.run_for(10_000)
        await page.evaluate("fetch('/settled')")


async def test_it_is_kept_and_sent_by_the_next_page_and_nothing_else_is(site: Site, visitor: Visitor) -> None:
    kept = await unheard(site, visitor)
    assert {name.split(".")[0] for name in kept} == {"consent", "queue"}
    (text,) = [value for name, value in kept.items() if name.startswith("queue.")]
    refusal = json.loads(text)
    assert set(refusal) == {"type", "event", "properties", "anonymousId", "userId", "messageId", "timestamp", "context"}
    assert refusal["properties"] == {}
    assert refusal["context"] == {"consent": {"categoryPreferences": dict.fromkeys(ALL, False)}}

    page = await timed(site, visitor)
    left = {"at": 0, "texts": [json.dumps(refusal | {"event": "of another tab", "messageId": "left"})]}
    await page.evaluate("([name, left]) => localStorage.setItem(name, left)", [LEFT, json.dumps(left)])
    await page.reload()
    await page.evaluate("tagway.track('after').flush() && 0")
    await quiet(page)
    assert {json.dumps(event) for event in site.events} == {json.dumps(refusal)}
    await page.evaluate("name => localStorage.removeItem(name)", LEFT)
    await only_the_choice_is_left(page)

    site.sent.clear()
    await page.reload()
    await quiet(page)
    assert site.sent == []


async def test_it_stays_until_it_is_answered(site: Site, visitor: Visitor) -> None:
    await unheard(site, visitor)
    site.answers = [(503, {})] * 50
    page = await loaded(await visitor.open(site.url))
    await site.until(lambda s: s.sent)
    await page.close()
    site.answers.clear()
    page = await loaded(await visitor.open(site.url))
    await only_the_choice_is_left(page)
    assert len({event["messageId"] for event in site.events}) == 1


async def test_a_page_whose_banner_is_silent_sends_it_too_and_no_more(site: Site, visitor: Visitor) -> None:
    await unheard(site, visitor)
    site.scripts = ["callback.js"]
    site.settings = {"consentFrom": {"callback": {}}}
    page = await timed(site, visitor)
    await page.evaluate("tagway.track('undecided').flush() && 0")
    await quiet(page)
    assert set(names(site.events)) == {STATEMENT}
    assert len(site.distinct) == 1


def words(sent: Sent) -> list[bool]:
    """Return what a request says on consent, in its order: yes or no."""
    said = [event for event in sent.batch if event.get("event") == STATEMENT]
    return [any(event["context"]["consent"]["categoryPreferences"].values()) for event in said]


async def test_who_agrees_again_is_somebody_new_and_is_heard_after_the_refusal(site: Site, visitor: Visitor) -> None:
    await unheard(site, visitor)
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await page.evaluate("tagway.track('back').flush() && 0")
    await site.until(lambda s: s.named("back"))
    await page.wait_for_function("() => !Object.keys(localStorage).some(name => name.includes('.refusal.'))")
    said = [event for event in site.distinct if event.get("event") == STATEMENT]
    refused, granted = (
        [event for event in said if any(event["context"]["consent"]["categoryPreferences"].values()) is word]
        for word in (False, True)
    )
    (refusal,), grant = refused, granted[0]
    assert grant["context"]["consent"]["categoryPreferences"] == ALL
    assert grant["anonymousId"] != refusal["anonymousId"]
    assert grant["timestamp"] > refusal["timestamp"]
    # The gateway takes a refusal to hold from its receipt, so that the grant is said once more.
    await site.until(lambda s: [said for said in map(words, s.sent) if said][-1] == [True])


async def test_a_second_withdrawal_leaves_the_first_where_it_is(site: Site, visitor: Visitor) -> None:
    page = await agreed(site, visitor)
    await visitor.context.route("**/v1/batch", lambda route: route.abort())
    for choice in (False, True, False):
        await consent(page, dict.fromkeys(ALL, choice))
    await page.close()
    await visitor.context.unroute("**/v1/batch")
    site.sent.clear()
    page = await loaded(await visitor.open(site.url))
    await only_the_choice_is_left(page)
    assert names(site.distinct) == [STATEMENT, STATEMENT]
    assert len({event["anonymousId"] for event in site.distinct}) == 2


async def test_without_storage_the_page_itself_goes_on_saying_it(site: Site, visitor: Visitor) -> None:
    site.settings = {"storage": "memory"}
    page = await agreed(site, visitor)
    site.answers = [(503, {})]
    await page.evaluate("tagway.consent.withdraw() && 0")
    await site.until(lambda s: len(s.named(STATEMENT)) == 3)
    assert await page.evaluate("localStorage.length") == 0


async def test_a_page_from_the_back_forward_cache_hears_of_it(site: Site, caching_browser: Browser) -> None:
    visitor = Visitor(await caching_browser.new_context())
    site.headers = {"Cache-Control": "max-age=60"}
    page = await agreed(site, visitor)
    await page.evaluate("void (window.kept = true)")
    await page.goto(f"{site.url}/next")
    await loaded(page)
    await page.evaluate("tagway.consent.withdraw() && 0")
    await only_the_choice_is_left(page)
    site.sent.clear()
    await page.go_back(wait_until="commit")
    if not await page.evaluate("window.kept"):
        missing("this Chromium keeps no pages in its back/forward cache")
    assert await page.evaluate("tagway.consent.get().analytics") == "denied"
    await page.evaluate("tagway.track('back').flush() && fetch('/settled') && 0")
    assert site.events == []
    await only_the_choice_is_left(page)
    await visitor.context.close()


async def test_the_next_page_waits_as_long_as_the_gateway_asked(site: Site, visitor: Visitor) -> None:
    page = await timed(site, visitor)
    await consent(page, ALL)
    await page.clock.run_for(2_000)
    await site.until(lambda s: len(s.events) == 2)
    site.answers = [(503, {"Retry-After": "30"})]
    await page.evaluate("tagway.track('again').flush() && 0")
    await site.until(lambda s: s.named("again"))
    await page.wait_for_function("() => Object.keys(localStorage).some(name => name.endsWith('.pause'))")
    await page.goto(f"{site.url}/next")
    await loaded(page)
    await page.clock.run_for(20_000)
    await page.evaluate("fetch('/settled')")
    assert len(site.events) == 3
    await page.clock.run_for(20_000)
    await site.until(lambda s: len(s.named("again")) == 2)
