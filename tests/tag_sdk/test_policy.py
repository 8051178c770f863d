"""Pages that allow as little as pages can."""

import asyncio

from tag_sdk import files
from tests.fixtures.browser import Visitor
from tests.patience import AT_ALL
from tests.tag_sdk.conftest import PURPOSES, WRITE_KEY, Site, agreed, loaded

TAG = f'<script nonce="r4nd0m" src="/tag/{WRITE_KEY}.js"></script>'
FETCHED = "performance.getEntriesByType('resource').map(each => new URL(each.name).pathname.slice(5, -3))"
STRICT = (
    "default-src 'none'; connect-src 'self'; script-src 'nonce-r4nd0m'; "
    "require-trusted-types-for 'script'; trusted-types tagway"
)


async def test_parts_pass_on_the_nonce_and_go_through_a_policy_of_trusted_types(site: Site, visitor: Visitor) -> None:
    site.embed, site.headers = TAG, {"Content-Security-Policy": STRICT}
    site.settings = {"consentFrom": {"onetrust": {}}, "extras": {"live": {}}}
    await visitor.context.add_init_script(
        "window.OnetrustActiveGroups = ',C0001,C0002,'; window.OneTrust = {IsAlertBoxClosed: () => true}"
    )
    page = await loaded(await visitor.open(site.url))
    await site.until(lambda s: len(s.events) == 2)
    assert await page.evaluate("tagway.consent.get().analytics") == "granted"
    assert visitor.complaints == []


async def test_every_part_keeps_to_a_strict_policy(site: Site, visitor: Visitor) -> None:
    site.embed, site.headers = TAG, {"Content-Security-Policy": STRICT}
    site.body = '<p data-tagway-slot="hero">Hello</p><video></video><form><input id="field"></form>'
    sources = [name.removeprefix("consent/") for name in files.part_hashes() if name.startswith("consent/")]
    extras = [name.removeprefix("extras/") for name in files.part_hashes() if name.startswith("extras/")]
    options = {"slots": {"slots": {}, "token": "/token"}}
    site.settings = {
        "consent": dict.fromkeys(PURPOSES, "granted"),
        "extras": {name: options.get(name, {}) for name in extras if name != "preview"},
    }
    page = await loaded(await visitor.open(f"{site.url}/?tagway_debug"))
    await page.wait_for_load_state("networkidle")
    await page.fill("#field", "words")
    await page.locator("tagway-preview details", has_text="form_start").wait_for()
    await page.evaluate("sources => sources.forEach(source => tagway.consent.from(source))", sources)
    async with asyncio.timeout(AT_ALL):
        while not set(files.part_hashes()) <= set(await page.evaluate(FETCHED)):
            await asyncio.sleep(0.05)
    assert visitor.complaints == []


async def test_the_loader_passes_its_nonce_on(site: Site, visitor: Visitor) -> None:
    site.embed = f'<script nonce="r4nd0m">{files.loader_snippet(site.url, WRITE_KEY)}</script>'
    site.headers = {"Content-Security-Policy": "default-src 'none'; connect-src 'self'; script-src 'nonce-r4nd0m'"}
    await agreed(site, visitor)
    assert visitor.complaints == []


async def test_a_part_that_is_not_what_was_published_does_not_run(site: Site, visitor: Visitor) -> None:
    site.settings = {"consentFrom": {"callback": {}}}
    await visitor.context.add_init_script("window.tagwayConsent = report => report({analytics: true})")
    forged = files.part_source("consent/callback") + b"//"
    await visitor.context.route(
        "**/tag/consent/callback.js*", lambda route: route.fulfill(body=forged, content_type="text/javascript")
    )
    page = await visitor.open()
    async with page.expect_console_message(lambda message: "integrity" in message.text):
        await page.goto(site.url)
    await loaded(page)
    assert await page.evaluate("tagway.consent.get().analytics") == "pending"
    assert site.sent == []


async def test_a_browser_that_is_driven_says_so(site: Site, visitor: Visitor) -> None:
    await agreed(site, visitor)
    assert {event["context"]["bot"] for event in site.events} == {True}


async def test_a_browser_that_is_not_driven_says_nothing(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script("Object.defineProperty(navigator, 'webdriver', {value: false})")
    await visitor.context.add_init_script("Object.defineProperty(navigator, 'userAgent', {value: 'Mozilla/5.0'})")
    await agreed(site, visitor)
    assert not any("bot" in event["context"] for event in site.events)
