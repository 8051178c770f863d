from typing import Any

from playwright.async_api import Page, expect

from tests.console.conftest import NOW, SECRET_KEY, Standin, new_segment
from tests.fixtures.browser import Visitor

KEEN = {"type": "count", "event": "product_view", "op": ">=", "n": 3, "window": "24h"}
ANN = "UHJvZmlsZTphbm4xMjM0"


def person() -> dict[str, Any]:
    segment = new_segment("keen", "Keen looker", KEEN, size=3)
    event = {"id": "e", "type": "TRACK", "name": "product_view", "at": NOW, "properties": {"product_id": "lamp"}}
    return {
        "ids": ["ann", ANN],
        "id": ANN,
        "version": 7,
        "firstSeenAt": NOW,
        "lastSeenAt": NOW,
        "traits": {"plan": "<b>gold</b>"},
        "segments": [{"segment": segment, "enteredAt": NOW, "expiresAt": None}],
        "identities": [{"kind": "USER_ID"}],
        "consents": [{"purpose": "ANALYTICS", "state": "GRANTED", "at": NOW}],
        "events": {"edges": [{"node": event}]},
    }


async def opened(standin: Standin, visitor: Visitor) -> Page:
    page = await visitor.open(f"{standin.url}/#key={SECRET_KEY}")
    await expect(page.locator("#line")).to_have_text("Live")
    await standin.until(lambda g: len(g.streams) == 2)
    return page


async def test_key_is_asked_for_once_and_a_wrong_one_refused_in_words(standin: Standin, visitor: Visitor) -> None:
    page = await visitor.open(standin.url)
    await expect(page.get_by_label("Secret key")).to_be_focused()
    await page.keyboard.type("sk_wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("This key is not known.")
    await page.get_by_label("Secret key").fill(SECRET_KEY)
    await page.keyboard.press("Enter")
    await expect(page.locator("#line")).to_have_text("Live")
    await page.reload()
    await expect(page.locator("#line")).to_have_text("Live")
    assert [text for text in visitor.complaints if "401" not in text] == []


async def test_key_in_the_address_leaves_it_at_once(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor)
    assert SECRET_KEY not in page.url
    assert await page.evaluate("localStorage.length") == 0
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Secret key")).to_be_visible()


async def test_count_that_is_too_small_to_be_told_is_shown_as_such(standin: Standin, visitor: Visitor) -> None:
    standin.count_threshold = 20
    standin.segments = [new_segment("keen", "Keen", KEEN, size=None), new_segment("all", "All", KEEN, size=120)]
    page = await opened(standin, visitor)
    sizes = page.locator("#sizes li")
    await expect(sizes).to_have_text(["Keen< 20", "All120"])
    await expect(sizes.nth(0).locator("meter")).to_have_count(0)
    await expect(sizes.nth(1).locator("meter")).to_have_js_property("value", 120)
    await page.get_by_role("link", name="Segments").click()
    await expect(page.locator("#segment-list .size").first).to_have_text("< 20people")
    assert visitor.complaints == []


async def test_feed_shows_filters_and_pauses(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor)
    rows = page.locator("#feed li")
    standin.feed(name="product_view", profileId=ANN)
    standin.feed(name="purchase", outcome="DROPPED_CONSENT", reason="analytics not granted")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("dropped consent")
    await expect(rows.first).to_contain_text("analytics not granted")
    await page.get_by_label("Outcome").select_option("dropped_consent")
    await expect(rows).to_have_count(1)
    await page.get_by_label("Outcome").select_option("")
    await page.get_by_role("searchbox").fill("VIEW")
    await expect(rows).to_have_text([f"12:00:00trackproduct_viewaccepted{ANN[-8:]}"])
    await page.get_by_role("searchbox").fill("")
    await page.get_by_role("button", name="Pause").click()
    standin.feed(name="search")
    await expect(page.get_by_role("button", name="Resume (1 new)")).to_be_visible()
    await expect(rows).to_have_count(2)
    await page.get_by_role("button", name="Resume").click()
    await expect(rows).to_have_count(3)
    assert visitor.complaints == []


async def test_what_events_carry_never_becomes_markup(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor)
    standin.feed(name="<img src=x onerror=alert(1)>", reason="<b>bold</b>")
    await expect(page.locator("#feed li")).to_have_count(1)
    assert await page.locator("#feed img, #feed b").count() == 0


async def test_event_that_could_not_be_read_shows_too(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor)
    standin.feed(type=None, outcome="INVALID", reason="not an object")
    await expect(page.locator("#feed li")).to_contain_text("unreadable")
    assert visitor.complaints == []


async def test_long_feed_is_bounded(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor)
    for number in range(1500):
        standin.feed(name=f"event {number}")
    await expect(page.locator("#feed li").first).to_contain_text("event 1499")
    await expect(page.locator("#feed li")).to_have_count(200)


async def test_moves_show_and_change_the_counts(standin: Standin, visitor: Visitor) -> None:
    standin.segments = [new_segment("keen", "Keen looker", KEEN, size=3)]
    page = await opened(standin, visitor)
    await expect(page.locator("#sizes .count")).to_have_text("3")
    standin.segments[0]["size"] = 4
    standin.change("ENTERED", "keen", ANN)
    await expect(page.locator("#changes li")).to_contain_text("Keen looker")
    await expect(page.locator("#sizes .count")).to_have_text("4")


async def test_line_comes_back_by_itself(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor)
    before = list(standin.sockets)
    for socket in before:
        await socket.close(1012)
    await standin.until(lambda g: g.sockets - set(before) and len(g.streams["eventFeed"]) == 1)
    await expect(page.locator("#line")).to_have_text("Live")
    standin.feed(name="after the break")
    await expect(page.locator("#feed li")).to_contain_text("after the break")


async def test_segment_is_made_edited_and_deleted(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor)
    await page.get_by_role("link", name="Segments").click()
    await page.get_by_label("Name", exact=True).fill("Keen on Lämps!")
    await expect(page.get_by_label("Key", exact=True)).to_have_value("keen_on_lamps")
    await page.get_by_label("Key", exact=True).fill("keen")
    await page.get_by_label("Event name").fill("product_view")
    await page.get_by_role("button", name="Add a trait").click()
    await expect(page.get_by_label("Trait name")).to_be_focused()
    await page.get_by_label("Trait name").fill("orders")
    await page.get_by_label("Compare", exact=True).select_option(">=")
    await page.get_by_label("Value", exact=True).first.fill("2")
    await page.get_by_label("must not hold").last.check()
    await expect(page.locator("#words")).to_have_text(
        "In words: at least 3 \u00d7 product_view within 24 hours and not (orders is at least 2)."
    )
    await page.get_by_role("button", name="Save segment").click()
    await expect(page.locator("#builder .message")).to_contain_text("Saved")
    not_orders = {"type": "not", "child": {"type": "trait", "name": "orders", "op": ">=", "value": 2}}
    assert standin.segments[0]["definition"] == {"type": "and", "children": [KEEN, not_orders]}

    await page.get_by_role("button", name="Edit").click()
    await expect(page.get_by_label("Trait name")).to_have_value("orders")
    await page.get_by_label("Key", exact=True).fill("taken")
    await page.get_by_role("button", name="Save segment").click()
    await expect(page.get_by_role("alert")).to_have_text("There is a segment with this key.")

    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="for good?").click()
    await expect(page.locator("#segment-list")).to_contain_text("No segments yet")
    assert visitor.complaints == []


async def test_who_is_asked_about_a_segment_is_not_interrupted_by_its_numbers(
    standin: Standin, visitor: Visitor
) -> None:
    standin.segments = [new_segment("keen", "Keen", KEEN, size=3)]
    page = await opened(standin, visitor)
    await page.get_by_role("link", name="Segments").click()
    await page.get_by_role("button", name="Delete").click()
    standin.segments[0] |= {"size": 4, "status": "BUILDING"}
    standin.segments.append(new_segment("other", "Other", KEEN, size=1))
    standin.change("ENTERED", "keen", ANN)
    cards = page.locator("#segment-list li")
    await expect(cards).to_have_count(2)
    await expect(cards.first).to_contain_text("4people")
    await expect(cards.first).to_contain_text("building")
    await expect(page.get_by_role("button", name="for good?")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(cards.first.get_by_role("button", name="Delete", exact=True)).to_be_visible()


async def test_what_the_form_cannot_show_it_does_not_offer_to_edit(standin: Standin, visitor: Visitor) -> None:
    dear = {**KEEN, "event": "purchase", "where": [{"property": "value", "op": ">", "value": 100}], "window": "2w"}
    standin.segments.append(new_segment("dear", "Dear", dear))
    page = await opened(standin, visitor)
    await page.get_by_role("link", name="Segments").click()
    await expect(page.locator("#segment-list")).to_contain_text(
        "at least 3 \u00d7 purchase where value is more than 100 within 2 weeks"
    )
    await expect(page.get_by_role("button", name="Edit")).to_have_count(0)


def ready(definition: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    plain = {"key": "keen", "name": "Keen lookers", "description": "Looked often.", "text": "count(x) in 24h >= 3"}
    return plain | {"definition": definition or KEEN} | more


async def test_a_ready_made_segment_is_added_or_adapted_first(standin: Standin, visitor: Visitor) -> None:
    each = {**KEEN, "by": "product_id"}
    standin.templates = [ready(), ready(each, key="each", name="One product", text="count(x by product_id) in 24h > 3")]
    page = await opened(standin, visitor)
    await page.get_by_role("link", name="Segments").click()
    left = page.locator("#ready-list li")
    await expect(left).to_have_count(2)
    await expect(left.last.get_by_role("button", name="Adapt")).to_have_count(0)
    await expect(left.last).to_contain_text("at least 3 \u00d7 product_view of one product_id within 24 hours")
    await page.get_by_role("button", name="Add One product").click()
    await expect(page.locator("#builder .message")).to_contain_text("Added")
    await expect(page.locator("#segment-list")).to_contain_text(
        "at least 3 \u00d7 product_view of one product_id within"
    )
    await expect(left).to_have_count(1)
    assert standin.segments[0]["definition"] == each
    await page.get_by_role("button", name="Adapt").click()
    await page.get_by_label("Times").fill("5")
    await page.get_by_role("button", name="Save segment").click()
    await expect(page.locator("#ready")).to_be_hidden()
    assert standin.segments[1] == new_segment("keen", "Keen lookers", {**KEEN, "n": 5})
    assert visitor.complaints == []


def match(number: int) -> dict[str, Any]:
    two = {"profileId": f"UHJvZmlsZToxMjM0{number}", "otherProfileId": f"UHJvZmlsZTo1Njc4{number}"}
    fields = [{"name": "birth_date", "score": 1.0}, {"name": "name", "score": 0.815}]
    return {"id": f"m{number}", "score": 0.875, "fields": fields, "status": "OPEN", "foundAt": NOW} | two


async def test_two_who_are_alike_are_said_to_be_one_or_two(standin: Standin, visitor: Visitor) -> None:
    standin.matches = [match(1), match(2)]
    page = await opened(standin, visitor)
    await page.get_by_role("link", name="People").click()
    rows = page.locator("#matches-list li")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("88 % alike")
    await expect(rows.first).to_contain_text("birth date 100 %")
    await rows.first.get_by_role("button", name="One person").click()
    await expect(rows.first.get_by_label("Reason")).to_be_focused()
    await page.keyboard.type("too soon")
    await page.keyboard.press("Enter")
    await expect(rows.first.get_by_role("alert")).to_have_text("More than 50 subjects.")
    await rows.first.get_by_label("Reason").fill("asked by phone")
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(1)
    assert standin.merged == [("m1", "asked by phone")]
    await rows.get_by_role("button", name="Two people").click()
    await expect(page.locator("#matches")).to_be_hidden()
    assert standin.matches == []
    assert visitor.complaints == []


async def test_person_is_found(standin: Standin, visitor: Visitor) -> None:
    standin.profiles = [person()]
    page = await opened(standin, visitor)
    await page.get_by_role("link", name="People").click()
    await expect(page.locator("#person a")).to_have_text(ANN)
    await page.locator("#look [name=value]").fill("nobody")
    await page.keyboard.press("Enter")
    await expect(page.locator("#person")).to_have_text("Nobody is known by that.")
    await page.locator("#look [name=value]").fill("ann")
    await page.keyboard.press("Enter")
    for text in ("Keen looker", "<b>gold</b>", "analytics: granted", '{"product_id":"lamp"}', "user id"):
        await expect(page.locator("#person")).to_contain_text(text)
    await page.goto(f"{standin.url}/#people/id/{ANN}")
    await expect(page.locator("#person")).to_contain_text("Latest events")
    assert visitor.complaints == []


async def test_keyboard_goes_through_in_reading_order(standin: Standin, visitor: Visitor) -> None:
    page = await opened(standin, visitor)
    order = []
    for _ in range(9):
        await page.keyboard.press("Tab")
        order.append(await page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    assert order == ["Skip to content", "Tagway", "Live", "Segments", "People", "leave", "pause", "filter", "outcome"]


async def test_a_phone_needs_no_sideways_scrolling(standin: Standin, visitor: Visitor) -> None:
    standin.segments = [new_segment("keen", "Keen looker", KEEN, size=3)]
    standin.profiles = [person()]
    total = {"type": "sum", "event": "purchase", "property": "value", "op": ">=", "value": 500, "window": "365d"}
    standin.templates = [ready(total, text="count(product_view) in 365d >= 1 and " * 9)]
    standin.matches = [match(1)]
    page = await opened(standin, visitor)
    await page.set_viewport_size({"width": 360, "height": 740})
    standin.feed(name="a_rather_long_event_name_without_any_space_in_it", reason="properties.price: expected number")
    await expect(page.locator("#feed li")).to_have_count(1)
    for view in ("live", "segments", "people", f"people/id/{ANN}"):
        await page.evaluate("view => { location.hash = view }", view)
        await expect(page.locator(f"#{view.partition('/')[0]}")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
