from tests.fixtures.browser import Visitor
from tests.tag_sdk.conftest import (
    ALL,
    PURPOSES,
    STATEMENT,
    Site,
    agreed,
    consent,
    loaded,
    names,
    only_the_choice_is_left,
    stored,
    timed,
)


async def test_pending_sends_and_stores_nothing_and_a_grant_replays_with_the_first_times(
    site: Site, visitor: Visitor
) -> None:
    page = await timed(site, visitor)
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
    assert product["timestamp"].startswith("2026-03-01T12:00:")
    assert view["timestamp"].startswith("2026-03-01T12:00:")
    assert statement["timestamp"].startswith("2026-03-01T12:01:")
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


async def test_denial_purges_what_waits_and_sends_nothing(site: Site, visitor: Visitor) -> None:
    page = await timed(site, visitor)
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
    page = await agreed(site, visitor)
    first = site.events[0]["anonymousId"]
    assert {"consent", "identity", "session"} <= set(await stored(page))
    await page.evaluate("tagway.track('unsent'); tagway.consent.withdraw()")
    assert set(await stored(page)) <= {"consent", "queue"}
    await site.until(lambda s: len(s.events) == 3)
    await only_the_choice_is_left(page)
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
    page = await agreed(site, visitor)
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
    await agreed(site, visitor)
    refused = ALL | {"advertising": False, "sale_or_share": False}
    assert all(event["context"]["consent"]["categoryPreferences"] == refused for event in site.events)
