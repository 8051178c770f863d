from typing import Any

from playwright.async_api import Page, expect

from tests.console.conftest import Standin
from tests.fixtures.browser import Visitor


async def opened(standin: Standin, visitor: Visitor, path: str = "/demo") -> Page:
    page = await visitor.open(standin.url + path)
    await expect(page.locator("#banner")).to_be_visible()
    return page


async def look_at(page: Page, *goods: str) -> None:
    for good in goods:
        await page.get_by_role("link", name="Lumen & Loom").click()
        await page.get_by_role("link", name=good).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(good)


def consents(event: dict[str, Any]) -> set[str]:
    return {purpose for purpose, given in event["context"]["consent"]["categoryPreferences"].items() if given}


async def test_visit_before_consent_is_told_once_it_is_given(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor)
    await look_at(page, "Arc lamp")
    assert standin.events == []
    await page.get_by_role("button", name="Accept all").click()
    await expect(page.locator("#banner")).to_be_hidden()
    await expect(page.locator("#self-facts")).to_contain_text("analytics")
    await standin.until(lambda g: g.names.count("page") == 2 and "product_view" in g.names)
    assert standin.names[0] == "Consent Preference Updated"
    views = [event for event in standin.events if event["type"] == "page"]
    assert [view["properties"]["path"] for view in views] == ["/demo", "/demo/products/lamp"]
    assert visitor.complaints == []


async def test_visitor_sees_their_own_segment_come(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor)
    await page.get_by_role("button", name="Accept all").click()
    await standin.until(lambda g: g.streams)
    standin.change("SNAPSHOT_END")
    await expect(page.locator("#self-state")).to_have_text("Live")
    await look_at(page, "Arc lamp", "Loom chair", "Field rug")
    await expect(page.locator("#self-segments")).to_have_text("keen looker")
    await expect(page.locator("#self-news")).to_contain_text("Entered keen looker")

    await page.get_by_role("button", name="Privacy").click()
    await page.get_by_role("button", name="Withdraw everything").click()
    await expect(page.locator("#self-state")).to_have_text("Off")
    await expect(page.locator("#self-segments li")).to_have_count(0)
    await expect(page.get_by_role("button", name="Privacy")).to_be_focused()
    await standin.until(lambda g: g.names.count("Consent Preference Updated") == 2)
    assert consents(standin.events[-1]) == set()
    assert visitor.complaints == []


async def test_visitor_sees_what_is_picked_for_them(standin: Standin, visitor: Visitor) -> None:
    standin.picks = ["lamp", "rug", "gone", "chair"]
    page = await opened(standin, visitor, "/demo/products/lamp")
    picks = page.locator("main section li")
    await expect(picks).to_have_count(0)
    await page.get_by_role("button", name="Accept all").click()
    await expect(page.get_by_role("heading", name="Picked for you")).to_be_visible()
    await expect(picks).to_contain_text(["Field rug", "Loom chair"])
    await picks.filter(has_text="Field rug").get_by_role("link").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Field rug")
    await standin.until(lambda g: {"recommendation_shown", "recommendation_clicked"} <= set(g.names))
    clicked = next(event for event in standin.events if event.get("event") == "recommendation_clicked")
    assert clicked["properties"] == {"list_id": "list-1", "product_id": "rug", "position": 1}

    await page.get_by_role("button", name="Privacy").click()
    await page.get_by_role("button", name="Withdraw everything").click()
    await expect(picks).to_have_count(0)
    assert visitor.complaints == []


async def test_only_necessary_sends_nothing(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor)
    await page.get_by_role("button", name="Only necessary").click()
    await look_at(page, "Arc lamp", "Loom chair")
    await page.reload()
    await expect(page.locator("#self-state")).to_have_text("Off")
    await expect(page.locator("#banner")).to_be_hidden()
    assert standin.events == []


async def test_choice_is_taken_purpose_by_purpose(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor)
    await page.get_by_role("button", name="Choose").click()
    await expect(page.get_by_label("Convenience")).to_be_focused()
    await page.get_by_label("Statistics").check()
    await page.get_by_role("button", name="Save choice").click()
    await expect(page.locator("#self-facts")).to_contain_text("analytics")
    await standin.until(lambda g: g.events)
    assert consents(standin.events[0]) == {"analytics"}


async def test_order_goes_from_shelf_to_thanks_by_keyboard(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor, "/demo/products/chair")
    await page.get_by_role("button", name="Accept all").press("Enter")
    await page.get_by_role("button", name="Add to cart").press("Enter")
    await expect(page.get_by_role("status").filter(has_text="is in your cart")).to_be_visible()
    await page.get_by_role("link", name="Cart").press("Enter")
    await page.get_by_role("button", name="One more").press("Enter")
    await page.get_by_role("link", name="Go to checkout").press("Enter")
    await page.get_by_label("Name").fill("Ann")
    await page.get_by_label("E-mail").fill("ann@example.com")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    await page.evaluate("void tagway.flush()")
    await standin.until(lambda g: "purchase" in g.names)
    purchase = next(event for event in standin.events if event.get("event") == "purchase")
    assert purchase["properties"]["value"] == 438
    assert purchase["userId"] == "ann@example.com"
    for name in ("product_view", "add_to_cart", "checkout_start"):
        assert name in standin.names
    assert visitor.complaints == []


async def test_blocked_tag_leaves_the_shop_open(standin: Standin, visitor: Visitor) -> None:
    await visitor.context.route("**/tag/*.js", lambda route: route.abort())
    page = await visitor.open(f"{standin.url}/demo")
    await look_at(page, "Arc lamp")
    assert [text for text in visitor.complaints if "ERR_FAILED" not in text] == []


async def test_a_phone_needs_no_sideways_scrolling(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor)
    await page.set_viewport_size({"width": 360, "height": 740})
    for path in ("", "/products/lamp", "/cart", "/checkout"):
        await page.goto(f"{standin.url}/demo{path}")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
