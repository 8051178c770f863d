"""The demo shop as a visitor and an operator see it, in a browser, on the real product."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, Request, expect

from tests.fixtures.browser import Visitor
from tests.fixtures.stack import Stack
from tests.patience import AT_ALL

KEEN: Final = {"type": "count", "event": "product_view", "op": ">=", "n": 3, "window": "24h"}
SAVE: Final = "mutation ($input: SaveSegmentInput!) { saveSegment(input: $input) { __typename } }"
PERSON: Final = "query ($id: String!) { profile(by: {anonymousId: $id}) { counters segments { segment { key } } } }"
GOODS: Final = ("Arc lamp", "Loom chair", "Field rug")
KEPT: Final = "JSON.stringify([Object.keys(localStorage), Object.keys(sessionStorage), document.cookie])"


class Sent:
    """The collect requests of a page."""

    def __init__(self, page: Page) -> None:
        self.requests: list[Request] = []
        page.on("request", self._keep)

    def _keep(self, request: Request) -> None:
        if "/v1/" in request.url or "/pixel/" in request.url or "/beacon/" in request.url:
            self.requests.append(request)


async def view(page: Page, *goods: str) -> None:
    for good in goods:
        await page.get_by_role("link", name="Lumen & Loom").click()
        await page.get_by_role("link", name=good).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(good)


async def picture(page: Page, name: str) -> None:
    """Take a screenshot for those who ask for some: `TAGWAY_PICTURES=folder`."""
    if folder := os.environ.get("TAGWAY_PICTURES"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def fits(page: Page, name: str) -> None:
    """Make sure that a page on a phone needs no sideways scrolling."""
    await picture(page, f"phone-{name}")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360, name


async def collect(stack: Stack, anonymous_id: str) -> dict[str, int]:
    """Send one view as a tag would that does not know of the withdrawal yet."""
    event = {"type": "track", "event": "product_view", "properties": {"product_id": "lamp"}}
    body = {"batch": [event | {"anonymousId": anonymous_id}], "writeKey": stack.write_key}
    granted = {"consent": {"categoryPreferences": {"analytics": True, "personalization": True}}}
    async with stack.http.post(f"{stack.url}/v1/batch", json=body | {"context": granted}) as response:
        answer: dict[str, Any] = await response.json()
    counts: dict[str, int] = answer["counts"]
    return counts


async def open_console(visitor: Visitor, stack: Stack) -> Page:
    page = await visitor.open(f"{stack.url}/#key={stack.secret_key}")
    await expect(page.locator("#line")).to_have_text("Live")
    return page


@pytest.fixture
async def stack(start_stack: Callable[..., Awaitable[Stack]]) -> Stack:
    """The product with the segment of those who look at three products."""
    stack = await start_stack()
    saved = await stack.graphql(SAVE, input={"key": "keen", "name": "Keen looker", "definition": KEEN})
    assert saved["saveSegment"]["__typename"] == "SegmentPayload"
    return stack


async def test_a_visit_from_consent_to_withdrawal(stack: Stack, visitor: Visitor, browser: Browser) -> None:
    console = await open_console(Visitor(await browser.new_context()), stack)
    page = await visitor.open()
    sent = Sent(page)
    await page.goto(f"{stack.url}/demo")
    await expect(page.locator("#banner")).to_be_visible()
    await view(page, "Dune cushion")
    await page.evaluate("tagway.flush()")
    assert sent.requests == []
    assert "anonymous" not in await page.evaluate(KEPT)
    await picture(page, "shop-banner")

    await page.get_by_role("button", name="Accept all").click()
    await expect(page.locator("#self-state")).to_have_text("Live")
    await expect(page.locator("#self-segments li")).to_have_count(0)
    await view(page, *GOODS)
    await expect(page.locator("#self-segments")).to_have_text("keen")
    await expect(page.locator("#self-news")).to_contain_text("Entered keen")
    anonymous_id: str = await page.evaluate("tagway.user().anonymousId")
    await picture(page, "shop-live")

    feed = console.locator("#feed li")
    await expect(feed.filter(has_text="product_view")).to_have_count(4)
    await expect(feed.filter(has_text="accepted").first).to_be_visible()
    await expect(console.locator("#changes")).to_contain_text("keen", ignore_case=True)
    await expect(console.locator("#sizes .count")).to_have_text("1")
    await picture(console, "console-live")

    await page.get_by_role("button", name="Privacy").click()
    await page.get_by_role("button", name="Withdraw everything").click()
    await expect(page.locator("#self-state")).to_have_text("Off")
    await expect(page.locator("#self-segments li, #self-news li")).to_have_count(0)
    assert await page.evaluate("tagway.user().anonymousId ?? null") is None
    # The withdrawal itself is kept until it is answered.
    await page.wait_for_function("() => !Object.keys(localStorage).some((name) => name.includes('queue'))")
    kept: str = await page.evaluate(KEPT)
    assert anonymous_id not in kept
    await expect(feed.filter(has_text="Consent Preference Updated")).to_have_count(2)
    told = len(sent.requests)
    await view(page, "Arc lamp")
    await page.evaluate("tagway.flush()")
    assert len(sent.requests) == told
    assert await collect(stack, anonymous_id) == {"dropped_consent": 1}
    await expect(feed.filter(has_text="dropped consent")).to_have_count(1)
    profile = (await stack.graphql(PERSON, id=anonymous_id))["profile"]
    assert profile["counters"]["product_view"] == 4
    await picture(page, "shop-withdrawn")
    await picture(console, "console-withdrawn")
    assert visitor.complaints == []
    await console.context.close()


async def test_a_visit_on_a_phone(stack: Stack, visitor: Visitor) -> None:
    console = await open_console(visitor, stack)
    page = await visitor.open(f"{stack.url}/demo")
    for each in (console, page):
        await each.set_viewport_size({"width": 360, "height": 740})
    await expect(page.locator("#banner")).to_be_visible()
    await picture(page, "phone-banner")
    await page.get_by_role("button", name="Accept all").click()
    await view(page, *GOODS)
    await expect(page.locator("#self-segments")).to_have_text("keen")
    await fits(page, "shop")
    await expect(console.locator("#feed li").filter(has_text="product_view")).to_have_count(3)
    await expect(console.locator("#sizes .count")).to_have_text("1")
    for name in ("live", "segments", "people"):
        await console.get_by_role("navigation").get_by_role("link", name=name.title()).click()
        await expect(console.locator(f"#{name}").get_by_text("Keen looker").first).to_be_visible()
        await fits(console, name)
    await console.locator("#person").get_by_role("link").click()
    await expect(console.get_by_role("heading", name="Latest events")).to_be_visible()
    await fits(console, "person")
    assert visitor.complaints == []


async def test_picks_are_shown_to_who_agreed_and_what_became_of_them_is_counted(stack: Stack, visitor: Visitor) -> None:
    page = await visitor.open(f"{stack.url}/demo")
    picks = page.locator("main section li")
    await page.get_by_role("button", name="Accept all").click()
    await expect(page.locator("#self-state")).to_have_text("Live")
    await view(page, *GOODS)
    await expect(page.locator("#self-segments")).to_have_text("keen")
    await view(page, "Dune cushion")
    await expect(picks.first).to_be_visible()
    await picture(page, "shop-picks")
    await picks.first.get_by_role("link").click()
    await expect(page.get_by_role("heading", level=1)).not_to_have_text("Dune cushion")
    async with asyncio.timeout(AT_ALL):
        while not await clicked_lists(stack):
            await asyncio.sleep(0.1)
    assert visitor.complaints == []


async def clicked_lists(stack: Stack) -> int:
    rows = (await stack.graphql("{ recommendationPerformance { impressions clicks } }"))["recommendationPerformance"]
    return sum(row["clicks"] for row in rows)
