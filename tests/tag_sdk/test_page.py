from tests.fixtures.browser import Visitor
from tests.tag_sdk.conftest import Site, agreed, names


async def test_navigation_inside_the_page_is_seen_once(site: Site, visitor: Visitor) -> None:
    page = await agreed(site, visitor)
    steps = [
        "history.pushState({}, '', '/a'); document.title = 'A'",
        "history.replaceState({scroll: 1}, '', '/a')",
        "history.replaceState({}, '', '/a?sort=price')",
        "history.pushState({}, '', '/wrong'); history.replaceState({}, '', '/b')",
        "history.pushState({}, '', '/b')",
        "history.replaceState({}, '', '/c')",
        "history.pushState({}, '', '/d'); tagway.page('Shop', 'D')",
        "history.pushState({}, '', '/e'); tagway.track('on e')",
    ]
    for step in steps:
        await page.evaluate(f"{{ {step} }}")
        await page.evaluate("new Promise(done => setTimeout(done, 40))")
    await page.go_back()
    await page.evaluate("new Promise(done => setTimeout(done, 40)).then(() => tagway.flush() && 0)")
    await site.until(lambda s: len(s.events) == 9)
    views = [event for event in site.events if event["type"] == "page"]
    assert [view["properties"]["path"] for view in views] == ["/", "/a", "/b", "/c", "/d", "/e", "/d"]
    assert views[1]["properties"]["title"] == "A"
    assert views[1]["context"]["page"]["referrer"] == f"{site.url}/"
    assert (views[4]["category"], views[4]["name"]) == ("Shop", "D")
    order = names(site.events)
    assert order[order.index("on e") - 1] == "page"
