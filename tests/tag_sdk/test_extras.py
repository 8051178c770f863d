"""Parts that a site may have: each in a file of its own, fetched only where it is wanted."""

import hashlib
from typing import Any

import pytest
from playwright.async_api import Page

from domain.alias import AliasKind
from domain.tracing import read_traceparent
from privacy.normal import digests_of
from tests.fixtures.browser import Visitor
from tests.patience import AT_ALL
from tests.tag_sdk.conftest import NOON, PURPOSES, Site, agreed, loaded, names

GRANTED = dict.fromkeys(PURPOSES, "granted")


async def opened(site: Site, visitor: Visitor, extra: str, options: dict[str, Any] | None = None) -> Page:
    """Open the site with one extra, which has begun."""
    site.settings = {"consent": GRANTED, "extras": {extra: options or {}}}
    page = await visitor.open()
    async with page.expect_request_finished(lambda request: f"/tag/extras/{extra}.js" in request.url):
        await page.goto(site.url)
    await page.wait_for_load_state("networkidle")
    return await loaded(page)


async def told(site: Site, page: Page, name: str, times: int = 1) -> list[dict[str, Any]]:
    """Send what waits and return the properties of the events of one name."""
    await page.evaluate("void tagway.flush()")
    await site.until(lambda s: len(s.named(name)) >= times)
    return [event["properties"] for event in site.named(name)]


async def test_nothing_is_fetched_that_nobody_may_use(site: Site, visitor: Visitor) -> None:
    site.settings = {"consent": dict.fromkeys(PURPOSES, "denied"), "extras": {"scroll": {}}}
    fetched: list[str] = []
    page = await visitor.open()
    page.on("request", lambda request: fetched.append(request.url))
    await page.goto(site.url)
    await page.wait_for_load_state("networkidle")
    assert not [url for url in fetched if "/extras/" in url]
    async with page.expect_request_finished(lambda request: "/extras/scroll.js" in request.url):
        await page.evaluate("void tagway.consent.set({analytics: true})")


async def test_scrolling_is_told_at_each_step_once_per_view(site: Site, visitor: Visitor) -> None:
    site.body = '<svg width="10" height="4000"></svg>'
    page = await opened(site, visitor, "scroll", {"steps": [50, 100]})
    for _ in range(2):
        for place in (0, 2500, 1000, 4000):
            await page.evaluate("y => new Promise(done => { scrollTo(0, y); setTimeout(done, 60); })", place)
        await page.evaluate("void tagway.page('Again')")
    depths = await told(site, page, "scroll_depth", 4)
    assert [each["percent"] for each in depths] == [50, 100, 50, 100]
    assert depths[1]["depth"] > 3900


async def test_engaged_time_counts_while_the_visitor_is_there(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script("Document.prototype.hasFocus = () => !window.away")
    site.settings = {"consent": GRANTED, "extras": {"engagement": {"idle": 10}}}
    page = await visitor.open()
    await page.clock.install(time=NOON)
    await page.goto(site.url)
    await page.wait_for_load_state("networkidle")
    shown = await page.evaluate("Date.now() + 1000")
    await page.clock.pause_at(shown)
    await page.mouse.move(5, 5)
    await page.clock.run_for(60_000)
    await page.evaluate("void (window.away = true)")
    await page.mouse.move(9, 9)
    await page.clock.run_for(60_000)
    await page.evaluate("dispatchEvent(new Event('pagehide'))")
    await site.until(lambda s: s.named("engagement"))
    (seconds,) = [event["properties"]["seconds"] for event in site.named("engagement")]
    # The ten seconds after which they count as away, and what the page took to come.
    assert 9 <= seconds <= 11 + shown / 1000 - NOON.timestamp()


@pytest.mark.parametrize("kind", ["video", "audio"])
async def test_media_are_told_by_how_far_they_played(site: Site, visitor: Visitor, kind: str) -> None:
    site.body = f'<{kind} id="tour"></{kind}>'
    page = await opened(site, visitor, "media")
    await page.evaluate("""() => {
        const media = document.getElementById('tour');
        let now = 0;
        Object.defineProperty(media, 'duration', {value: 200});
        Object.defineProperty(media, 'currentTime', {get: () => now});
        const steps = ['0 play', '20 timeupdate', '60 timeupdate', '200 timeupdate', '200 ended', '0 play'];
        for (const [time, name] of steps.map(step => step.split(' '))) {
            now = +time;
            media.dispatchEvent(new Event(name));
        }
    }""")
    progress = await told(site, page, f"{kind}_progress", 5)
    assert [each["percent"] for each in progress] == [0, 25, 50, 75, 100]
    assert progress[1] == {f"{kind}_id": "tour", "percent": 25, "seconds": 60, "duration": 200}


async def test_clicks_on_annotated_elements_become_events(site: Site, visitor: Visitor) -> None:
    site.body = """
        <button data-tagway-event="add_to_cart" data-tagway-prop-product-id="lamp" data-tagway-prop-price="9">
        <b id="inner">Buy</b></button><button id="plain">No</button>"""
    page = await opened(site, visitor, "clicks")
    await page.click("#plain")
    await page.click("#inner")
    assert await told(site, page, "add_to_cart") == [{"product_id": "lamp", "price": "9"}]


async def test_links_out_and_downloads_are_told_and_followed(site: Site, visitor: Visitor) -> None:
    site.body = f"""<a id="out" href="https://elsewhere.example/a?b=1">out</a>
        <a id="file" href="{site.url}/price.PDF">file</a>
        <a id="named" href="/report" download>named</a><a id="friend" href="https://friend.example/">friend</a>
        <a id="mail" href="mailto:a@b.example">mail</a>"""
    page = await opened(site, visitor, "outbound", {"inside": ["friend.example"]})
    await page.evaluate("void tagway.use('downloads')")
    await page.wait_for_load_state("networkidle")
    await page.evaluate(
        "addEventListener('click', event => { window.stopped = event.defaultPrevented; event.preventDefault(); })"
    )
    for name in ("out", "file", "named", "friend", "mail", "next"):
        await page.click(f"#{name}")
        assert await page.evaluate("stopped") is False
    assert await told(site, page, "outbound_click") == [{"url": "https://elsewhere.example/a?b=1"}]
    files = await told(site, page, "file_download", 2)
    assert [each["extension"] for each in files] == ["pdf", ""]


async def test_forms_tell_what_became_of_them_and_never_what_was_typed(site: Site, visitor: Visitor) -> None:
    site.body = """<form id="sign-up" action="/welcome"><input name="email"><input name="card">
        <button>Go</button></form><form data-tagway-ignore><input id="quiet"></form>
        <form name="left"><input id="begun"></form>"""
    page = await opened(site, visitor, "forms")
    await page.evaluate("addEventListener('submit', event => event.preventDefault())")
    await page.fill("[name=email]", "secret@example.com")
    await page.fill("[name=card]", "4111111111111111")
    await page.fill("#quiet", "hidden words")
    await page.click("button")
    await page.fill("#begun", "other words")
    await page.evaluate("dispatchEvent(new Event('pagehide'))")
    await site.until(lambda s: s.named("form_abandon"))
    forms = [event for event in site.events if (event.get("event") or "").startswith("form_")]
    assert [(event["event"], event["properties"]["form"]) for event in forms] == [
        ("form_start", "sign-up"),
        ("form_submit", "sign-up"),
        ("form_start", "left"),
        ("form_abandon", "left"),
    ]
    assert forms[1]["properties"]["fields"] == 2
    sent = str([each.body for each in site.sent])
    assert not [word for word in ("secret", "4111111111111111", "hidden words", "other words", "card") if word in sent]


async def test_web_vitals_are_told_once_as_the_page_is_left(site: Site, visitor: Visitor) -> None:
    site.body = "<h1>A heading that is painted</h1><button id=press>Press</button>"
    page = await opened(site, visitor, "vitals")
    await page.evaluate("""() => document.getElementById('press').addEventListener('click', () => {
        const end = performance.now() + 120;
        while (performance.now() < end);
    })""")
    await page.click("#press")
    await page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)))")
    await page.evaluate("void (dispatchEvent(new Event('pagehide')), dispatchEvent(new Event('pagehide')))")
    await site.until(lambda s: s.named("web_vital"))
    vitals = {event["properties"]["metric"]: event["properties"] for event in site.named("web_vital")}
    assert {"TTFB", "FCP", "LCP", "CLS", "INP"} == set(vitals)
    assert len(site.named("web_vital")) == 5
    assert 100 <= vitals["INP"]["value"] < 1000 * AT_ALL
    assert vitals["CLS"] == {"metric": "CLS", "value": 0, "rating": "good"}


async def test_a_shop_has_a_call_for_each_of_its_events(site: Site, visitor: Visitor) -> None:
    page = await agreed(site, visitor)
    await page.evaluate("""() => new Promise(done => tagway.use('shop', {}, shop => {
        shop.productView({product_id: 'lamp', category: 'light'});
        shop.addToCart({product_id: 'lamp', price: 9.9});
        shop.removeFromCart({product_id: 'lamp'});
        const products = [{product_id: 'lamp', price: 0.1, quantity: 3}];
        shop.checkoutStart({products});
        shop.purchase({order_id: 7, products, currency: 'EUR', value: 1});
        shop.purchase({order_id: 7});
        shop.search('lamps', 3);
        done();
    }))""")
    await told(site, page, "search")
    told_of = {event["event"]: event["properties"] for event in site.events[2:]}
    assert len(site.named("purchase")) == 1
    assert told_of["add_to_cart"] == {"product_id": "lamp", "price": 9.9, "quantity": 1}
    assert told_of["checkout_start"]["value"] == 0.3
    assert told_of["purchase"]["value"] == 1
    assert told_of["search"] == {"query": "lamps", "results": 3}
    assert list(told_of)[:3] == ["product_view", "add_to_cart", "remove_from_cart"]


async def test_identifiers_are_hashed_as_the_gateway_joins_them(site: Site, visitor: Visitor) -> None:
    page = await agreed(site, visitor)
    await page.evaluate("""() => new Promise(done => tagway.use('hash', {}, async hash => {
        window.refused = await hash.phone('0151 23456').catch(error => error.message);
        await hash.identify('ann', {email: ' Ann@Example.COM ', phone: '0049 (151) 234-567', plan: 'gold'});
        window.dialled = await hash.phone('+49 (0)151 2345 6789');
        done();
    }))""")
    await page.evaluate("void tagway.flush()")
    await site.until(lambda s: len(s.events) == 3)
    assert site.events[2]["traits"] == {
        "email": hashlib.sha256(b"ann@example.com").hexdigest(),
        "phone": hashlib.sha256(b"+49151234567").hexdigest(),
        "plan": "gold",
    }
    assert "country" in await page.evaluate("refused")
    joined = digests_of(AliasKind.PHONE, "+49 (0)151 2345 6789") + digests_of(AliasKind.EMAIL, "ANN@example.com ")
    assert {site.events[2]["traits"]["email"], await page.evaluate("dialled")} <= {each.hex() for each in joined}


async def test_a_data_layer_s_events_become_calls_by_its_rules(site: Site, visitor: Visitor) -> None:
    rules = [
        {
            "on": "gtm.click",
            "when": {"gtm.elementId": "buy"},
            "track": "buy_click",
            "properties": {"page": "page.type"},
        },
        {"on": "login", "identify": "user.id", "properties": {"plan": "user.plan"}},
    ]
    await visitor.context.add_init_script("window.dataLayer = [{page: {type: 'home'}}]")
    page = await opened(site, visitor, "datalayer", {"rules": rules})
    await page.evaluate("""() => {
        dataLayer.push({event: 'gtm.click', 'gtm.elementId': 'other'});
        dataLayer.push({event: 'gtm.click', 'gtm.elementId': 'buy'}, null, 7, () => {});
        dataLayer.push({event: 'login', user: {id: 5, plan: 'gold'}});
    }""")
    assert await told(site, page, "buy_click") == [{"page": "home"}]
    (identify,) = [event for event in site.events if event["type"] == "identify"]
    assert (identify["userId"], identify["traits"]) == ("5", {"plan": "gold"})


async def test_a_rule_s_conditions_may_be_several_values_a_pattern_or_bounds(site: Site, visitor: Visitor) -> None:
    rules = [
        {"on": {"matches": "^video_"}, "track": "", "properties": {"player": {"value": "own"}}},
        {"on": ["basket", "cart"], "when": {"total": {"over": 10, "under": 20}}, "track": "mid_cart"},
        {"on": {"matches": "("}, "track": "broken"},
    ]
    page = await opened(site, visitor, "datalayer", {"rules": rules})
    await page.evaluate("""() => {
        for (const event of ['video_start', 'a_video_', 'video_end']) dataLayer.push({event});
        for (const [event, total] of [['cart', 10], ['basket', '15'], ['shelf', 15], ['cart', 'much']])
            dataLayer.push({event, total});
    }""")
    assert await told(site, page, "mid_cart") == [{}]
    assert [event["properties"] for event in site.named("video_start") + site.named("video_end")] == [
        {"player": "own"}
    ] * 2
    assert "a_video_" not in names(site.events)
    assert visitor.complaints == []


async def test_a_data_layer_of_google_s_e_commerce_needs_no_rules(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script("""
        window.dataLayer = [];
        window.gtag = function () { dataLayer.push(arguments); };
        gtag('event', 'view_item', {items: [{item_id: 'lamp', item_name: 'Lamp', price: 9}]});
    """)
    page = await opened(site, visitor, "datalayer")
    await page.evaluate("""() => {
        dataLayer.push({ecommerce: null});
        const ecommerce = {transaction_id: 'T1', value: 9, currency: 'EUR', items: [{item_id: 'lamp'}]};
        dataLayer.push({event: 'purchase', ecommerce});
    }""")
    (purchase,) = await told(site, page, "purchase")
    assert purchase == {"order_id": "T1", "value": 9, "currency": "EUR", "products": [{"item_id": "lamp"}]}
    assert await told(site, page, "product_view") == [{"product_id": "lamp", "name": "Lamp", "price": 9}]
    assert names(site.events).count("product_view") == 1


async def test_the_preview_shows_each_event_its_consent_and_the_answer(site: Site, visitor: Visitor) -> None:
    page = await loaded(await visitor.open(f"{site.url}/?tagway_debug"))
    preview = page.locator("tagway-preview")
    line = preview.locator("details", has_text="held back")
    await preview.locator("details").first.wait_for()
    await page.evaluate("void tagway.track('held back', {size: 7})")
    assert await line.locator("span").all_inner_texts() == ["held: no consent yet", ""]
    assert "analytics pending" in await preview.locator("header").inner_text()
    await page.evaluate("void tagway.consent.set({analytics: true})")
    await line.get_by_text("accepted").wait_for()
    assert await line.locator("span").all_inner_texts() == ["analytics", "accepted"]
    await line.locator("summary").click()
    assert '"size": 7' in await line.locator("pre").inner_text()
    await page.goto(f"{site.url}/next")
    await preview.locator("details").first.wait_for()
    await page.evaluate("void tagway.consent.withdraw()")
    assert "analytics denied" in await preview.locator("header").inner_text()
    await page.evaluate("void tagway.track('refused')")
    refused = preview.locator("details", has_text="refused").last
    assert await refused.locator("span").all_inner_texts() == ["", "dropped: consent"]
    await preview.get_by_role("button", name="Close").click()
    await page.goto(site.url)
    await page.wait_for_load_state("networkidle")
    assert await preview.count() == 0
    assert visitor.complaints == []


async def test_the_preview_fits_a_phone(site: Site, visitor: Visitor) -> None:
    page = await visitor.open()
    await page.set_viewport_size({"width": 320, "height": 600})
    await page.goto(f"{site.url}/?tagway_debug")
    await loaded(page)
    await page.evaluate("void tagway.track('an_event_whose_name_is_far_too_long_to_stand_on_one_line_of_a_phone')")
    await page.locator("tagway-preview details", has_text="an_event").wait_for()
    assert await page.locator("tagway-preview section").evaluate("each => each.scrollWidth <= each.clientWidth")
    assert await page.evaluate("document.documentElement.scrollWidth") == 320


PLACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def places_of(site: Site, name: str) -> list[str]:
    """List where in traces the batches with events of one name were."""
    return [sent.headers["traceparent"] for sent in site.sent if any(each.get("event") == name for each in sent.batch)]


async def test_each_batch_says_where_it_is_in_a_trace(site: Site, visitor: Visitor) -> None:
    page = await opened(site, visitor, "trace")
    for number in (1, 2):
        await page.evaluate("void tagway.track('add_to_cart')")
        await told(site, page, "add_to_cart", number)
    places = places_of(site, "add_to_cart")
    assert len(places) == 2
    assert all(read_traceparent(place) for place in places)
    assert len(set(places)) == 2, "each batch has a trace of its own"


async def test_a_batch_is_in_the_trace_of_its_page_unless_the_sites_tracer_knows_better(
    site: Site, visitor: Visitor
) -> None:
    site.head = f'<meta name="traceparent" content="{PLACE}">'
    page = await opened(site, visitor, "trace")
    await page.evaluate("void tagway.track('add_to_cart')")
    await told(site, page, "add_to_cart")
    assert places_of(site, "add_to_cart") == [PLACE]

    other = PLACE.replace("b7ad", "a7ad")
    site.settings = {"consent": GRANTED}
    page = await visitor.open()
    await page.goto(site.url)
    await loaded(page)
    script = "async place => { await new Promise(done => tagway.use('trace', {of: () => window.place}, done)) }"
    await page.evaluate(script)
    for number, (said, sent) in enumerate([(other, other), ("nonsense", PLACE), (None, PLACE)], 1):
        await page.evaluate("place => { window.place = place; void tagway.track('search', {n: 1}) }", said)
        await told(site, page, "search", number)
        assert places_of(site, "search")[-1] == sent
