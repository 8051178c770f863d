from tests.fixtures.browser import Visitor
from tests.tag_sdk.conftest import ALL, Site, consent, loaded, timed


async def test_reset_makes_a_new_visitor(site: Site, visitor: Visitor) -> None:
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await page.evaluate("tagway.identify(7, {plan: 'gold'}).track('in').reset().track('out').flush() && 0")
    await site.until(lambda s: s.named("out"))
    inside, outside = site.named("in")[0], site.named("out")[0]
    assert inside["userId"] == "7"
    assert "userId" not in outside
    assert inside["anonymousId"] != outside["anonymousId"]
    assert inside["context"]["sessionId"] != outside["context"]["sessionId"]


async def test_session_ends_after_thirty_idle_minutes(site: Site, visitor: Visitor) -> None:
    page = await timed(site, visitor)
    await consent(page, ALL)
    for minutes in (0, 29, 31):
        await page.clock.fast_forward(minutes * 60_000)
        await page.evaluate("tagway.track('step').flush() && 0")
    await page.clock.run_for(2_000)
    await site.until(lambda s: len(s.named("step")) == 3)
    first, second, third = (event["context"]["sessionId"] for event in site.named("step"))
    assert first == second != third


async def test_storage_refused_still_sends(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})"
    )
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await page.evaluate("tagway.track('kept in memory').flush() && 0")
    await site.until(lambda s: s.named("kept in memory"))
    assert len({event["anonymousId"] for event in site.events}) == 1
