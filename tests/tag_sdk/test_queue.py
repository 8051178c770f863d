import json

from tests.fixtures.browser import Visitor
from tests.tag_sdk.conftest import (
    ALL,
    NOON,
    STATEMENT,
    Site,
    agreed,
    consent,
    loaded,
    names,
    only_the_choice_is_left,
    timed,
)


async def test_two_tabs_send_each_event_once_as_one_visitor(site: Site, visitor: Visitor) -> None:
    first = await loaded(await visitor.open(site.url))
    second = await loaded(await visitor.open(f"{site.url}/second"))
    await second.evaluate("tagway.track('from second') && 0")
    await second.evaluate("void (window.told = new Promise(done => tagway.on('consent', done)))")
    await consent(first, ALL)
    assert (await second.evaluate("told"))["analytics"] == "granted"
    await site.until(lambda s: len(s.events) == 4)
    await first.evaluate("for (let i = 0; i < 30; i++) tagway.track('seen', {i})")
    await second.evaluate("for (let i = 30; i < 60; i++) tagway.track('seen', {i})")
    third = await loaded(await visitor.open(f"{site.url}/third"))
    await third.evaluate("tagway.track('seen', {i: 60}).flush() && 0")
    await site.until(lambda s: {event["properties"]["i"] for event in s.named("seen")} == set(range(61)))
    assert len(site.named("seen")) == 61
    assert names(site.events).count(STATEMENT) == 1
    assert len({event["anonymousId"] for event in site.events}) == 1

    await first.evaluate("void (window.told = new Promise(done => tagway.on('consent', done)))")
    await second.evaluate("tagway.consent.withdraw() && 0")
    assert (await first.evaluate("told"))["analytics"] == "denied"
    assert await first.evaluate("tagway.user().anonymousId") is None
    await only_the_choice_is_left(first)


async def test_closed_tab_leaves_its_events_to_exactly_one_other(site: Site, visitor: Visitor) -> None:
    page = await agreed(site, visitor)
    await visitor.context.route("**/v1/batch", lambda route: route.abort())
    async with page.expect_event("requestfailed"):
        await page.evaluate("tagway.track('orphan').flush() && 0")
    await page.close()
    await visitor.context.unroute("**/v1/batch")
    tabs = [await visitor.open(f"{site.url}/{number}") for number in range(3)]
    for tab in tabs:
        await loaded(tab)
        await tab.evaluate("tagway.track('done').flush() && 0")
    await site.until(lambda s: len(s.named("done")) == 3 and s.named("orphan"))
    assert len(site.named("orphan")) == 1


async def test_a_page_that_ends_before_it_has_its_lock_leaves_its_events_to_the_next(
    site: Site, visitor: Visitor
) -> None:
    first = await agreed(site, visitor)
    await visitor.context.add_init_script(
        "if (location.pathname === '/quick') navigator.locks.request = () => new Promise(() => {})"
    )
    await first.close()
    page = await loaded(await visitor.open(f"{site.url}/quick"))
    await site.until(lambda s: len(s.events) == 3)
    site.answers = [(503, {})] * 50
    await page.evaluate("tagway.track('orphan') && 0")
    await page.goto("about:blank")
    await site.until(lambda s: s.named("orphan"))
    site.answers.clear()
    await page.goto(f"{site.url}/next")
    await site.until(lambda s: len(s.named("orphan")) == 2)


async def test_what_a_closed_tab_wrote_last_is_not_lost_where_it_is_seen_late(site: Site, visitor: Visitor) -> None:
    """Browsers pass changes of storage between their processes later than locks."""
    page = await agreed(site, visitor)
    await visitor.context.route("**/v1/batch", lambda route: route.abort())
    async with page.expect_event("requestfailed"):
        await page.evaluate("tagway.track('early').track('tardy').flush() && 0")
    await page.close()
    await visitor.context.unroute("**/v1/batch")
    await visitor.context.add_init_script(SEES_LATE)
    late = await loaded(await visitor.open(f"{site.url}/late"))
    await site.until(lambda s: s.named("early") and s.named("tardy"))
    assert await late.evaluate("window.staleReads") == 1
    await late.wait_for_function("() => Object.keys(localStorage).filter(name => name.includes('.queue.')).length < 2")


async def test_without_locks_a_closed_tab_leaves_its_events_to_the_next_page_at_once(
    site: Site, visitor: Visitor
) -> None:
    await visitor.context.add_init_script(WITHOUT_LOCKS)
    page = await agreed(site, visitor)
    await visitor.context.route("**/v1/batch", lambda route: route.abort())
    async with page.expect_event("requestfailed"):
        await page.evaluate("tagway.track('orphan').flush() && 0")
    await page.goto("about:blank")
    await visitor.context.unroute("**/v1/batch")
    tabs = [await visitor.open(f"{site.url}/{number}") for number in range(2)]
    await site.until(lambda s: s.named("orphan"))
    for tab in tabs:
        await tab.evaluate("tagway.track('done').flush() && 0")
    await site.until(lambda s: len(s.named("done")) == 2)
    assert len(site.named("orphan")) == 1


async def test_without_locks_a_crashed_tab_s_events_are_taken_over_once_it_is_silent(
    site: Site, visitor: Visitor
) -> None:
    await visitor.context.add_init_script(WITHOUT_LOCKS)
    page = await agreed(site, visitor)
    text = await page.evaluate("JSON.stringify({...window.last, messageId: crypto.randomUUID(), event: 'orphan'})")
    await page.goto(f"{site.url}/loader.js")
    left = json.dumps({"at": NOON.timestamp() * 1000, "texts": [text]})
    await page.evaluate("left => localStorage.setItem('tagway.wk_test.queue.crashed', left)", left)
    tabs = []
    for _ in range(2):
        tab = await timed(site, visitor)
        tabs.append(tab)
        await tab.clock.run_for(60_000)
    assert site.named("orphan") == []
    await tabs[0].clock.run_for(120_000)
    await site.until(lambda s: s.named("orphan"))
    # Tabs of other processes learn a little later that a record is gone.
    await tabs[1].wait_for_function("!localStorage.getItem('tagway.wk_test.queue.crashed')")
    await tabs[1].clock.run_for(120_000)
    for tab in tabs:
        await tab.clock.run_for(60_000)
        await tab.evaluate("tagway.track('done').flush() && 0")
    await site.until(lambda s: len(s.named("done")) == 2)
    # Without locks two tabs may claim in the same moment: what comes twice has one id, by which the gateway knows it.
    assert len({event["messageId"] for event in site.named("orphan")}) == 1


WITHOUT_LOCKS = """
Object.defineProperty(navigator, 'locks', {value: undefined});
document.addEventListener('readystatechange', () => document.readyState === 'interactive' &&
  tagway.on('message', message => { window.last = message; }), {once: true});
"""

SEES_LATE = """
window.staleReads = 0;
const { getItem } = Storage.prototype;
Storage.prototype.getItem = function (name) {
  const found = getItem.call(this, name);
  if (staleReads || location.pathname !== '/late' || !name.includes('.queue.') || !found?.includes('tardy'))
    return found;
  staleReads++;
  const record = JSON.parse(found);
  return JSON.stringify({ ...record, texts: record.texts.filter(text => !text.includes('tardy')) });
};
"""
