"""Stock browser SDKs, taken unchanged from their registry, against the gateway."""

from collections import Counter
from pathlib import Path

from playwright.async_api import Page

from domain.event import CallType
from tests.fixtures.browser import Visitor
from tests.fixtures.clients import CLIENTS
from tests.fixtures.gateway import Gateway
from tests.fixtures.moody import Moods
from tests.lacking import missing
from tests.tag_sdk.conftest import Site

SEGMENT = CLIENTS / "node_modules/@segment/analytics-next/dist/umd/index.js"
RUDDERSTACK = CLIENTS / "node_modules/@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js"
CALLS = """
    const context = {consent: {categoryPreferences: {functional: true, analytics: true, personalization: true}}};
    sdk.identify('browser-user', {plan: 'gold'}, {context});
    sdk.track('product_view', {product_id: 'p1'}, {context});
    sdk.page('Home', {}, {context});
    sdk.group('team-1', {plan: 'gold'}, {context});
    sdk.alias('browser-user', 'browser-visitor', {context});
"""
SEND_BY_SEGMENT = (
    "([writeKey, cdnURL]) => window.AnalyticsNext.AnalyticsBrowser.load({writeKey, cdnURL}).then(([sdk]) => {"
    + CALLS
    + "})"
)
SEND_BY_RUDDERSTACK = (
    "([writeKey, configUrl]) => { const sdk = new window.rudderanalytics.RudderAnalytics();"
    "sdk.load(writeKey, configUrl, {configUrl, lockIntegrationsVersion: true, sendAdblockPage: false});" + CALLS + "}"
)
FIVE = {each: 1 for each in CallType if each is not CallType.SCREEN}


def need(sdk: Path) -> None:
    if not sdk.exists():
        missing("the packages of tests/clients are not installed (npm ci)")


async def opened(site: Site, visitor: Visitor, gateway: Gateway, sdk: Path) -> Page:
    need(sdk)
    site.embed = '<script src="/sdk.js"></script>'
    site.headers = {"Content-Security-Policy": f"default-src 'self' {gateway.url}"}
    page = await visitor.open()
    await page.route("**/sdk.js", lambda route: route.fulfill(path=sdk, content_type="text/javascript"))
    await page.goto(site.url)
    return page


async def arrived(gateway: Gateway, page: Page) -> Counter[CallType]:
    """Count the calls on the log by their kind once five have come."""
    for _ in range(300):
        events = await gateway.logged()
        if len(events) >= 5:
            break
        await page.wait_for_timeout(200)
    return Counter(event.type for event in events)


async def test_segment_s_browser_sdk(site: Site, visitor: Visitor, gateway: Gateway) -> None:
    page = await opened(site, visitor, gateway, SEGMENT)
    await page.evaluate(SEND_BY_SEGMENT, [gateway.tenant.write_key, gateway.url])
    assert await arrived(gateway, page) == FIVE
    assert len({event.subject for event in await gateway.logged()}) == 1


async def test_segment_s_browser_sdk_sends_again_what_was_refused_for_now(
    site: Site, visitor: Visitor, gateway: Gateway, moods: Moods
) -> None:
    page = await opened(site, visitor, gateway, SEGMENT)
    await page.evaluate(SEND_BY_SEGMENT, [gateway.tenant.write_key, gateway.url])
    assert await arrived(gateway, page) == FIVE
    assert moods.left == []


async def test_rudderstack_s_browser_sdk_sends_again_what_was_refused_for_now(
    site: Site, visitor: Visitor, gateway: Gateway, moods: Moods
) -> None:
    page = await opened(site, visitor, gateway, RUDDERSTACK)
    await page.evaluate(SEND_BY_RUDDERSTACK, [gateway.tenant.write_key, gateway.url])
    assert await arrived(gateway, page) == FIVE
    assert moods.left == []


async def test_rudderstack_s_browser_sdk(site: Site, visitor: Visitor, gateway: Gateway) -> None:
    page = await opened(site, visitor, gateway, RUDDERSTACK)
    await page.evaluate(SEND_BY_RUDDERSTACK, [gateway.tenant.write_key, gateway.url])
    assert await arrived(gateway, page) == FIVE
