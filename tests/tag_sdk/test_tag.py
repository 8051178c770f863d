import datetime as dt
from typing import Any

from playwright.async_api import Page

from tests.fixtures.browser import Visitor
from tests.tag_sdk.conftest import WRITE_KEY, Site

PURPOSES = ["functional", "analytics", "personalization", "advertising", "sale_or_share"]
ALL = dict.fromkeys(PURPOSES, True)
STATEMENT = "Consent Preference Updated"
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


async def loaded(page: Page) -> Page:
    """Wait until the tag has taken the place of the loader's array."""
    assert await page.evaluate("new Promise(done => tagway.ready(done)).then(() => tagway.version)")
    return page


async def consent(page: Page, choice: dict[str, bool]) -> None:
    await page.evaluate("choice => void tagway.consent.set(choice)", choice)


async def stored(page: Page) -> list[str]:
    names: list[str] = await page.evaluate("Object.keys(localStorage).sort()")
    return [name.removeprefix(f"tagway.{WRITE_KEY}.").split(".")[0] for name in names]


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event.get("event", event["type"]) for event in events]


async def arrived(site: Site, name: str, times: int) -> None:
    await site.until(lambda s: len(s.named(name)) == times)


async def test_pending_sends_and_stores_nothing_and_a_grant_replays_with_the_first_times(
    site: Site, visitor: Visitor
) -> None:
    page = await visitor.open()
    await page.clock.install(time=NOON)
    await page.goto(site.url)
    await loaded(page)
    await page.evaluate(
        "tagway.track('product_view', {product_id: 'lamp'}).identify('ann', {plan: 'gold'}).flush() && 0"
    )
    await page.clock.run_for(60_000)
    assert await stored(page) == []
    assert await page.evaluate("document.cookie + sessionStorage.length") == "0"
    assert site.sent == []

    await consent(page, {"analytics": True})
    await page.clock.run_for(2_000)
    await site.until(lambda s: len(s.events) == 4)
    statement, view, product, identify = site.events
    assert names(site.events) == [STATEMENT, "page", "product_view", "identify"]
    assert product["timestamp"].startswith("2026-03-01T12:00:00")
    assert view["timestamp"].startswith("2026-03-01T12:00:00")
    assert statement["timestamp"].startswith("2026-03-01T12:01:00")
    assert identify["userId"] == "ann"
    assert identify["traits"] == {"plan": "gold"}
    assert len({event["anonymousId"] for event in site.events}) == 1
    assert len({event["messageId"] for event in site.events}) == 4
    for event in site.events:
        assert event["context"]["consent"] == {
            "categoryPreferences": dict.fromkeys(PURPOSES, False) | {"analytics": True}
        }
        assert event["context"]["library"] == {"name": "tagway", "version": "0.1.0"}
        assert event["context"]["page"]["path"] == "/"
        assert event["context"]["sessionId"]
    assert visitor.complaints == []


async def test_batch_is_plain_text_with_key_and_time(site: Site, visitor: Visitor) -> None:
    page = await loaded(await visitor.open(f"{site.url}/?utm_campaign=spring&utm_source=mail"))
    await consent(page, ALL)
    await site.until(lambda s: len(s.sent) >= 2)
    for sent in site.sent:
        assert sent.headers["content-type"].startswith("text/plain")
        assert "cookie" not in sent.headers
        assert sent.body["writeKey"] == WRITE_KEY
        assert sent.body["sentAt"].endswith("Z")
    view = site.events[1]
    assert view["type"] == "page"
    assert view["context"]["campaign"] == {"name": "spring", "source": "mail"}
    assert view["properties"]["title"] == "/"


async def test_twenty_events_go_at_once_and_fewer_within_a_second(site: Site, visitor: Visitor) -> None:
    page = await visitor.open()
    await page.clock.install(time=NOON)
    await page.goto(site.url)
    await loaded(page)
    await consent(page, ALL)
    await page.clock.run_for(2_000)
    await site.until(lambda s: len(s.events) == 2)
    await page.evaluate("for (let i = 0; i < 25; i++) tagway.track('seen', {i})")
    await site.until(lambda s: len(s.named("seen")) == 20)
    await page.clock.run_for(1_100)
    await site.until(lambda s: len(s.named("seen")) == 25)
    assert [event["properties"]["i"] for event in site.named("seen")] == list(range(25))
    assert [len(sent.batch) for sent in site.sent] == [1, 1, 20, 5]


async def test_denial_purges_what_waits_and_sends_nothing(site: Site, visitor: Visitor) -> None:
    page = await visitor.open()
    await page.clock.install(time=NOON)
    await page.goto(site.url)
    await loaded(page)
    await page.evaluate("window.drops = []; tagway.on('drop', drop => drops.push(drop.reason)).track('early') && 0")
    await consent(page, dict.fromkeys(PURPOSES, False))
    await page.evaluate("tagway.track('late') && 0")
    await consent(page, ALL)
    await page.clock.run_for(5_000)
    await page.evaluate("tagway.track('after').flush() && 0")
    await site.until(lambda s: s.named("after"))
    assert names(site.events) == [STATEMENT, "after"]
    assert await page.evaluate("drops") == ["consent", "consent"]


async def test_withdrawal_is_told_once_then_everything_is_forgotten(site: Site, visitor: Visitor) -> None:
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await site.until(lambda s: len(s.events) == 2)
    first = site.events[0]["anonymousId"]
    assert {"consent", "identity", "session"} <= set(await stored(page))
    await page.evaluate("tagway.track('unsent'); tagway.consent.withdraw()")
    assert await stored(page) == ["consent"]
    await site.until(lambda s: len(s.events) == 3)
    withdrawal = site.events[2]
    assert withdrawal["event"] == STATEMENT
    assert withdrawal["anonymousId"] == first
    assert not any(withdrawal["context"]["consent"]["categoryPreferences"].values())
    assert await page.evaluate("tagway.user()") == {"id": None, "anonymousId": None}

    await consent(page, {"analytics": True})
    await site.until(lambda s: len(s.events) == 4)
    assert site.events[3]["anonymousId"] != first
    assert site.named("unsent") == []


async def test_part_withdrawn_lowers_what_still_waits(site: Site, visitor: Visitor) -> None:
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await site.until(lambda s: len(s.events) == 2)
    await page.evaluate("tagway.track('waiting').consent.withdraw(['advertising']) && 0")
    await site.until(lambda s: s.named("waiting"))
    assert names(site.events)[2:] == [STATEMENT, "waiting"]
    claimed = site.named("waiting")[0]["context"]["consent"]["categoryPreferences"]
    assert claimed == ALL | {"advertising": False}


async def test_opt_out_outlasts_a_later_grant(site: Site, visitor: Visitor) -> None:
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("tagway.optOut() && 0")
    await consent(page, ALL)
    assert set((await page.evaluate("tagway.consent.get()")).values()) == {"denied"}
    await page.evaluate("tagway.optOut(false).track('back').flush() && 0")
    await site.until(lambda s: s.named("back"))


async def test_gpc_refuses_advertising_and_sale(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await site.until(lambda s: len(s.events) == 2)
    refused = ALL | {"advertising": False, "sale_or_share": False}
    assert all(event["context"]["consent"]["categoryPreferences"] == refused for event in site.events)


async def test_leaving_the_page_sends_what_waits(site: Site, visitor: Visitor) -> None:
    page = await visitor.open()
    await page.clock.install(time=NOON)
    await page.goto(site.url)
    await loaded(page)
    await consent(page, ALL)
    await site.until(lambda s: s.events)
    await page.evaluate("tagway.track('last words') && 0")
    await page.goto("about:blank")
    await site.until(lambda s: s.named("last words"))


async def test_leaving_without_keepalive_uses_the_beacon(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script("delete Request.prototype.keepalive")
    page = await visitor.open()
    await page.clock.install(time=NOON)
    await page.goto(site.url)
    await loaded(page)
    await page.evaluate("tagway.track('last words') && 0")
    await consent(page, ALL)
    await page.goto("about:blank")
    await site.until(lambda s: s.named("last words"))
    assert {(sent.path, sent.query) for sent in site.sent} == {("/beacon/v1/batch", f"writeKey={WRITE_KEY}")}


async def test_keepalive_never_exceeds_what_browsers_allow(site: Site, visitor: Visitor) -> None:
    page = await visitor.open()
    await page.clock.install(time=NOON)
    await page.goto(site.url)
    await loaded(page)
    await consent(page, ALL)
    await page.clock.run_for(2_000)
    await site.until(lambda s: len(s.events) == 2)
    await page.evaluate("for (let i = 0; i < 6; i++) tagway.track('big', {i, text: 'ü'.repeat(12000)})")
    await page.evaluate("dispatchEvent(new Event('pagehide'))")
    await page.clock.run_for(60_000)
    await site.until(lambda s: len(s.named("big")) == 6)
    assert len({event["messageId"] for event in site.named("big")}) == 6
    assert visitor.complaints == []


async def test_navigation_inside_the_page_is_seen_once(site: Site, visitor: Visitor) -> None:
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await site.until(lambda s: len(s.events) == 2)
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


async def test_calls_before_the_tag_comes_are_carried_out_in_order(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script(
        "document.addEventListener('readystatechange', () => document.readyState === 'interactive' && "
        "tagway.page('Home').track('early')"
        ".consent.set({analytics: true}).ready(() => window.ran = true), {once: true})"
    )
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("tagway.flush() && 0")
    await site.until(lambda s: len(s.events) == 3)
    assert names(site.events) == [STATEMENT, "page", "early"]
    assert await page.evaluate("ran")


async def test_blocked_tag_leaves_the_page_unharmed(site: Site, visitor: Visitor) -> None:
    await visitor.context.route("**/tag/*.js", lambda route: route.abort())
    page = await visitor.open(site.url)
    await page.evaluate(
        """() => {
        tagway.page(); tagway.track('x', {}).identify('y').group('z').alias('a').flush().reset();
        tagway.ready(() => {}); tagway.on('results', () => {}); tagway.consent.set({analytics: true});
        tagway.consent.get(); tagway.consent.withdraw(); tagway.optOut(); tagway.user();
    }"""
    )
    assert site.sent == []
    assert [text for text in visitor.complaints if "ERR_FAILED" not in text] == []


async def test_nothing_that_a_site_passes_throws_into_it(site: Site, visitor: Visitor) -> None:
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    errors = await page.evaluate(
        """() => {
        const errors = [];
        tagway.on('error', error => errors.push(String(error)));
        const round = {}; round.self = round;
        tagway.track(); tagway.track('round', round); tagway.track('big', {n: 1n}); tagway.alias();
        tagway.track('when', {}, {timestamp: 'never'}); tagway.on('message', () => { throw new Error('mine'); });
        tagway.consent.set(null); tagway.track('fine').flush();
        return errors;
    }"""
    )
    assert len(errors) == 7
    await site.until(lambda s: s.named("fine"))
    assert visitor.complaints == []


async def test_storage_refused_still_sends(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})"
    )
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await page.evaluate("tagway.track('kept in memory').flush() && 0")
    await site.until(lambda s: s.named("kept in memory"))
    assert len({event["anonymousId"] for event in site.events}) == 1


async def test_unavailable_gateway_is_tried_again_when_it_asked_to(site: Site, visitor: Visitor) -> None:
    page = await visitor.open()
    await page.clock.install(time=NOON)
    await page.goto(site.url)
    await loaded(page)
    await consent(page, ALL)
    await page.clock.run_for(2_000)
    await site.until(lambda s: len(s.events) == 2)
    site.answers = [(503, {"Retry-After": "30"}), (429, {}), (500, {})]
    await page.evaluate(
        "void (window.answer = new Promise(done => tagway.on('message', ({messageId}) => tagway.on('results',"
        " results => results.some(result => result.message_id === messageId) && done(results)))"
        ".track('again').flush()))"
    )
    await site.until(lambda s: len(s.named("again")) == 1)
    await page.evaluate("fetch('/settled')")
    await page.clock.run_for(29_000)
    assert len(site.named("again")) == 1
    for tries in (2, 3, 4):
        await page.clock.run_for(5_000)
        await arrived(site, "again", tries)
        await page.evaluate("fetch('/settled')")
    (sent,) = {event["messageId"] for event in site.named("again")}
    assert await page.evaluate("answer") == [{"message_id": sent, "outcome": "accepted"}]
    assert "queue" not in await stored(page)


async def test_rejected_batch_is_dropped_and_said(site: Site, visitor: Visitor) -> None:
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await site.until(lambda s: len(s.events) == 2)
    site.answers = [(401, {})]
    await page.evaluate("void (window.drop = new Promise(done => tagway.on('drop', done).track('bad').flush()))")
    assert await page.evaluate("drop") == {"reason": "rejected", "status": 401, "count": 1}
    await page.evaluate("tagway.track('good').flush() && 0")
    await site.until(lambda s: s.named("good"))
    assert len(site.named("bad")) == 1


async def test_next_page_sends_what_could_not_go(site: Site, visitor: Visitor) -> None:
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await site.until(lambda s: len(s.events) == 2)
    await visitor.context.route("**/v1/batch", lambda route: route.abort())
    async with page.expect_event("requestfailed"):
        await page.evaluate("tagway.track('held up').flush() && 0")
    await page.goto("about:blank")
    await visitor.context.unroute("**/v1/batch")
    page = await loaded(await visitor.open(f"{site.url}/next"))
    await site.until(lambda s: s.named("held up") and len(s.events) == 4)
    assert len({event["anonymousId"] for event in site.events}) == 1


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
    assert await stored(first) == ["consent"]


async def test_closed_tab_leaves_its_events_to_exactly_one_other(site: Site, visitor: Visitor) -> None:
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await site.until(lambda s: len(s.events) == 2)
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
    page = await visitor.open()
    await page.clock.install(time=NOON)
    await page.goto(site.url)
    await loaded(page)
    await consent(page, ALL)
    for minutes in (0, 29, 31):
        await page.clock.fast_forward(minutes * 60_000)
        await page.evaluate("tagway.track('step').flush() && 0")
    await page.clock.run_for(2_000)
    await site.until(lambda s: len(s.named("step")) == 3)
    first, second, third = (event["context"]["sessionId"] for event in site.named("step"))
    assert first == second != third
