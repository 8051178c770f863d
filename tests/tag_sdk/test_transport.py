from tests.fixtures.browser import Visitor
from tests.tag_sdk.conftest import ALL, WRITE_KEY, Site, agreed, consent, loaded, stored, timed


async def arrived(site: Site, name: str, times: int) -> None:
    await site.until(lambda s: len(s.named(name)) == times)


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
    page = await timed(site, visitor)
    await consent(page, ALL)
    await page.clock.run_for(2_000)
    await site.until(lambda s: len(s.events) == 2)
    await page.evaluate("for (let i = 0; i < 25; i++) tagway.track('seen', {i})")
    await site.until(lambda s: len(s.named("seen")) == 20)
    await page.clock.run_for(1_100)
    await site.until(lambda s: len(s.named("seen")) == 25)
    assert [event["properties"]["i"] for event in site.named("seen")] == list(range(25))
    assert [len(sent.batch) for sent in site.sent] == [1, 1, 20, 5]


async def test_leaving_the_page_sends_what_waits(site: Site, visitor: Visitor) -> None:
    page = await timed(site, visitor)
    await consent(page, ALL)
    await site.until(lambda s: s.events)
    await page.evaluate("tagway.track('last words') && 0")
    await page.goto("about:blank")
    await site.until(lambda s: s.named("last words"))


async def test_leaving_without_keepalive_uses_the_beacon(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script("delete Request.prototype.keepalive")
    page = await timed(site, visitor)
    await page.evaluate("tagway.track('last words') && 0")
    await consent(page, ALL)
    await page.goto("about:blank")
    await site.until(lambda s: s.named("last words"))
    assert {(sent.path, sent.query) for sent in site.sent} == {("/beacon/v1/batch", f"writeKey={WRITE_KEY}")}


async def test_keepalive_never_exceeds_what_browsers_allow(site: Site, visitor: Visitor) -> None:
    page = await timed(site, visitor)
    await consent(page, ALL)
    await page.clock.run_for(2_000)
    await site.until(lambda s: len(s.events) == 2)
    await page.evaluate("for (let i = 0; i < 6; i++) tagway.track('big', {i, text: 'ü'.repeat(12000)})")
    await page.evaluate("dispatchEvent(new Event('pagehide'))")
    await page.clock.run_for(60_000)
    await site.until(lambda s: len(s.named("big")) == 6)
    assert len({event["messageId"] for event in site.named("big")}) == 6
    assert visitor.complaints == []


async def test_unavailable_gateway_is_tried_again_when_it_asked_to(site: Site, visitor: Visitor) -> None:
    page = await timed(site, visitor)
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
    page = await agreed(site, visitor)
    site.answers = [(401, {})]
    await page.evaluate("void (window.drop = new Promise(done => tagway.on('drop', done).track('bad').flush()))")
    assert await page.evaluate("drop") == {"reason": "rejected", "status": 401, "count": 1}
    await page.evaluate("tagway.track('good').flush() && 0")
    await site.until(lambda s: s.named("good"))
    assert len(site.named("bad")) == 1


async def test_next_page_sends_what_could_not_go(site: Site, visitor: Visitor) -> None:
    page = await agreed(site, visitor)
    await visitor.context.route("**/v1/batch", lambda route: route.abort())
    async with page.expect_event("requestfailed"):
        await page.evaluate("tagway.track('held up').flush() && 0")
    await page.goto("about:blank")
    await visitor.context.unroute("**/v1/batch")
    page = await loaded(await visitor.open(f"{site.url}/next"))
    await site.until(lambda s: s.named("held up") and len(s.events) == 4)
    assert len({event["anonymousId"] for event in site.events}) == 1
