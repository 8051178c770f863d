"""What the tag leaves at home: the gateway's plan, in force before anything leaves the browser."""

from typing import Any

from domain.consent import Purpose
from domain.event import Call, CallType
from privacy.allowlist import allow_list
from privacy.compiled import CompiledPlan
from privacy.plan import default_document, read_plan
from tests.fixtures.browser import Visitor
from tests.privacy.conftest import NOON
from tests.tag_sdk.conftest import ALL, STATEMENT, Site, consent, loaded, names

PLAIN: dict[str, Any] = {"kind": "plain"}
PLAN = read_plan(
    {
        "version": 1,
        "default": {"purposes": ["analytics"]},
        "fields": {
            "price": PLAIN,
            "ad": {**PLAIN, "purposes": ["advertising"]},
            "always": {**PLAIN, "purposes": ["necessary"]},
            "items": {
                **PLAIN,
                "type": "array",
                "fields": {"sku": PLAIN, "bid": {**PLAIN, "purposes": ["advertising"]}},
            },
            "constructor": PLAIN,
        },
        "traits": {"plan": PLAIN, "email": {"kind": "email", "purposes": ["advertising"]}},
        "context": {"page": {**PLAIN, "type": "object", "fields": {"path": {"kind": "url"}}}},
        "events": {
            "view": {"purposes": ["analytics"], "fields": {"own": PLAIN}},
            "bid": {"purposes": ["advertising"]},
            "identify": {"purposes": ["analytics", "advertising"]},
        },
    }
)
RICH = {
    "price": 1,
    "ad": "x",
    "always": 1,
    "own": 2,
    "shoe_size": 44,
    "toString": 1,
    "constructor": 1,
    "items": [{"sku": "a", "bid": 3, "note": "n"}, 7],
}


async def test_nothing_leaves_that_the_plan_does_not_name_or_nobody_granted(site: Site, visitor: Visitor) -> None:
    site.settings = {"plan": allow_list(PLAN), "autoPage": False}
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("window.drops = []; tagway.on('drop', drop => drops.push(drop.reason)) && 0")
    await page.evaluate("rich => void tagway.track('view', rich).track('bid', rich).track('other', rich)", RICH)
    await page.evaluate("void tagway.identify('ann', {plan: 'gold', email: 'a@b.co', mood: 'good'}).flush()")
    await consent(page, {"analytics": True})
    await site.until(lambda s: len(s.events) == 4)
    statement, view, other, identify = site.events
    assert names(site.events) == [STATEMENT, "view", "other", "identify"]
    kept = {"price": 1, "always": 1, "constructor": 1, "items": [{"sku": "a"}, 7]}
    assert view["properties"] == {**kept, "own": 2}
    assert other["properties"] == kept
    assert identify["traits"] == {"plan": "gold"}
    assert view["context"]["page"] == {"path": "/"}
    assert view["context"].keys() == {"page", "consent", "dropped"}
    assert statement["context"].keys() == {"consent"}
    lost = set(view["context"]["dropped"])
    assert {"properties.shoe_size", "properties.ad", "properties.items.bid", "properties.toString"} <= lost
    assert {"context.userAgent", "context.page.title"} <= lost
    assert set(identify["context"]["dropped"]) >= {"traits.email", "traits.mood"}
    assert await page.evaluate("drops") == ["consent"], "the bid, which nobody granted"
    assert visitor.complaints == []


async def test_what_waits_loses_what_is_refused_meanwhile(site: Site, visitor: Visitor) -> None:
    site.settings = {"plan": allow_list(PLAN), "autoPage": False}
    site.answers = [(503, {})]
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await page.evaluate("rich => void tagway.track('view', rich).track('bid', rich)", RICH)
    await consent(page, {"advertising": False})
    await page.evaluate("void tagway.flush()")
    await site.until(lambda s: s.named("view"))
    assert "ad" not in site.named("view")[-1]["properties"]
    assert site.named("bid") == []
    assert "properties.ad" in site.named("view")[-1]["context"]["dropped"]


async def test_event_that_a_strict_plan_does_not_name_is_not_sent(site: Site, visitor: Visitor) -> None:
    strict = read_plan({"version": 1, "mode": "drop", "events": {"view": {"purposes": ["analytics"]}}})
    site.settings = {"plan": allow_list(strict), "autoPage": False}
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("window.drops = []; tagway.on('drop', drop => drops.push(drop.reason)) && 0")
    await consent(page, ALL)
    await page.evaluate("void tagway.track('other').track('view').flush()")
    await site.until(lambda s: s.named("view"))
    assert names(site.events) == [STATEMENT, "view"]
    assert await page.evaluate("drops") == ["plan"]


async def test_the_preview_says_of_each_event_what_the_plan_made_of_it(site: Site, visitor: Visitor) -> None:
    site.settings = {"plan": allow_list(PLAN), "autoPage": False}
    page = await loaded(await visitor.open(f"{site.url}/?tagway_debug"))
    await page.evaluate("void tagway.track('view', {price: 1}).track('bid', {price: 2})")
    await consent(page, {"analytics": True})
    lines = page.locator("tagway-preview details")
    await lines.filter(has_text="view").get_by_text("accepted").wait_for()
    assert await lines.filter(has_text="bid").locator("span").last.inner_text() == "dropped: consent"
    assert await lines.filter(has_text="given up").count() == 0


async def test_tag_and_gateway_keep_the_same(site: Site, visitor: Visitor) -> None:
    document = default_document()
    compiled = CompiledPlan(read_plan(document))
    site.settings = {"plan": allow_list(compiled.plan), "autoPage": False}
    page = await loaded(await visitor.open(site.url))
    await consent(page, {"analytics": True, "functional": True})
    sample = dict.fromkeys(document["fields"], 1) | {"products": [{"sku": "a", "extra": 1}], "unknown": 1}
    events = sorted(document["events"].keys() - {"page", "screen", "identify", "group", "alias"})
    await page.evaluate(
        "([events, sample]) => events.forEach(name => tagway.track(name, sample)) || 0", [events, sample]
    )
    await page.evaluate("void tagway.flush()")
    await site.until(lambda s: len(s.events) == len(events) + 1)
    granted = frozenset({Purpose.ANALYTICS, Purpose.FUNCTIONAL})
    for event in site.events[1:]:
        name = event["event"]
        named = {**document["fields"], **document["events"][name].get("fields", {})}
        rules = compiled.program(_call(name), granted & compiled.purposes_of(_call(name))).properties
        assert event["properties"].keys() == rules.keys() & sample.keys(), name
        assert event["properties"]["products"] == [{"sku": "a"}]
        assert rules.keys() <= named.keys()


def _call(name: str) -> Call:
    return Call(CallType.TRACK, "m", name, NOON, NOON, NOON, NOON)
