from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.fixtures.browser import Visitor, launch
from tests.lacking import missing
from tests.tag_sdk.conftest import Site, agreed, loaded, names


async def test_navigation_inside_the_page_is_seen_once(site: Site, visitor: Visitor) -> None:
    await walk(site, visitor)


async def walk(site: Site, visitor: Visitor) -> None:
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
    await page.go_back(wait_until="commit")
    await page.evaluate("new Promise(done => setTimeout(done, 40)).then(() => tagway.flush() && 0)")
    await site.until(lambda s: len(s.events) == 9)
    views = [event for event in site.events if event["type"] == "page"]
    assert [view["properties"]["path"] for view in views] == ["/", "/a", "/b", "/c", "/d", "/e", "/d"]
    assert views[1]["properties"]["title"] == "A"
    assert views[1]["context"]["page"]["referrer"] == f"{site.url}/"
    assert (views[4]["category"], views[4]["name"]) == ("Shop", "D")
    order = names(site.events)
    assert order[order.index("on e") - 1] == "page"


async def test_without_the_navigation_api_the_same_is_seen(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script("delete window.navigation")
    await walk(site, visitor)


async def test_each_navigation_of_the_browser_s_own_router_is_one_view(site: Site, visitor: Visitor) -> None:
    page = await agreed(site, visitor)
    await page.evaluate("""() => {
        navigation.addEventListener('navigate', event => event.intercept({handler: async () => {}}));
        const go = url => navigation.navigate(url).finished;
        return go('/routed').then(() => go('/routed#part')).then(() => 0);
    }""")
    await page.evaluate("navigation.back().finished.then(() => navigation.back().finished).then(() => 0)")
    await page.evaluate("tagway.track('end').flush() && 0")
    await site.until(lambda s: s.named("end"))
    assert views(site) == ["/", "/routed", "/"]


@pytest.mark.parametrize("navigation", [True, False], ids=["navigation", "history"])
async def test_a_router_in_the_hash_is_followed_and_a_jump_on_the_page_is_not(
    site: Site, visitor: Visitor, navigation: bool
) -> None:
    if not navigation:
        await visitor.context.add_init_script("delete window.navigation")
    page = await agreed(site, visitor)
    for hash_ in ("#part", "#other", "#/a", "#/a", "#!/b"):
        await page.evaluate("hash => { location.hash = hash; }", hash_)
        await page.evaluate("new Promise(done => setTimeout(done, 40))")
    await page.evaluate("tagway.flush() && 0")
    await site.until(lambda s: len(views(s)) == 3)
    hashes = [urlsplit(event["properties"]["url"]).fragment for event in site.events if event["type"] == "page"]
    assert hashes == ["", "/a", "!/b"]


async def test_a_view_announced_as_the_page_ends_is_sent(site: Site, visitor: Visitor) -> None:
    page = await agreed(site, visitor)
    await page.evaluate("void (history.pushState({}, '', '/brief'), location.assign('about:blank'))")
    await site.until(lambda s: "/brief" in views(s))
    await page.wait_for_url("about:blank")


async def test_coming_back_from_the_back_forward_cache_is_a_view_of_the_same_visitor(
    site: Site, caching_browser: Browser
) -> None:
    visitor = Visitor(await caching_browser.new_context())
    site.headers = {"Cache-Control": "max-age=60"}
    page = await agreed(site, visitor)
    await page.evaluate("window.kept = true")
    await page.evaluate("void tagway.track('waiting')")
    await page.goto(f"{site.url}/next")
    await loaded(page)
    await page.go_back(wait_until="commit")
    if not await page.evaluate("window.kept"):
        missing("this Chromium keeps no pages in its back/forward cache")
    await page.evaluate("tagway.track('back').flush() && 0")
    await site.until(lambda s: s.named("back") and len(views(s)) == 3)
    assert views(site) == ["/", "/next", "/"]
    assert len({event["messageId"] for event in site.named("waiting")}) == 1
    assert len({event["anonymousId"] for event in site.events}) == 1
    await visitor.context.close()


async def test_what_could_not_be_stored_survives_the_back_forward_cache(site: Site, caching_browser: Browser) -> None:
    visitor = Visitor(await caching_browser.new_context())
    site.headers = {"Cache-Control": "max-age=60"}
    site.settings = {"storage": "memory"}
    page = await agreed(site, visitor)
    await page.evaluate("window.kept = true")
    unreachable = (
        "() => { const own = fetch; window.fetch = (...given) => (window.away ? Promise.reject() : own(...given))"
    )
    await page.evaluate(unreachable + "; window.away = true; navigator.sendBeacon = () => false; }")
    await page.evaluate("void tagway.track('unstored')")
    await page.goto(f"{site.url}/next")
    await loaded(page)
    await page.go_back(wait_until="commit")
    if not await page.evaluate("window.kept"):
        missing("this Chromium keeps no pages in its back/forward cache")
    await page.evaluate("void (window.away = false, dispatchEvent(new Event('online')))")
    await site.until(lambda s: s.named("unstored"))
    await visitor.context.close()


def views(site: Site) -> list[str]:
    """Return the paths of the page views."""
    return [event["properties"]["path"] for event in site.distinct if event["type"] == "page"]


@pytest_asyncio.fixture
async def caching_browser() -> AsyncIterator[Browser]:
    """Run Chromium with the cache that automation turns off."""
    async with launch(ignore_default_args=["--disable-back-forward-cache"]) as running:
        yield running
