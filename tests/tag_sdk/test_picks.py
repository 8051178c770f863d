"""What is picked for a visitor, in places that the page declares."""

import re
from typing import Any

from playwright.async_api import Page, Route

from tag_sdk import files
from tests.fixtures.browser import Visitor
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import Seeds
from tests.tag_sdk.conftest import ALL, Site, consent, loaded

BODY = """<section id="picks" data-tagway-picks="2" data-tagway-placement="home" hidden><h2>For you</h2><template>
<a data-tagway-set-href="/products/{product_id}?from={reason}" data-tagway-set-onclick="alert(1)">
<img data-tagway-set-src="{image_url}" data-tagway-set-alt="{name}"><b data-tagway-text="{name}, {price} €"></b></a>
</template></section>"""
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'"


def pick(number: int, **item: Any) -> dict[str, Any]:
    whole = {"productId": f"p{number}", "name": f"Lamp {number}", "category": "light", "price": 9.5, "attributes": {}}
    return {"position": number, "reason": {"text": "much wanted"}, "item": {**whole, "imageUrl": "/lamp.png", **item}}


PICKS = [pick(1, productId="a/b?c"), pick(2, name="<i>two</i>", imageUrl="javascript:alert(1)")]


async def opened(site: Site, visitor: Visitor, asked: list[Any]) -> Page:
    site.body, site.headers = BODY, {"Content-Security-Policy": POLICY}

    async def answer(route: Route) -> None:
        asked.append((route.request.headers["authorization"], (route.request.post_data_json or {})["variables"]))
        listed = {"listId": "list-1", "personalized": True, "nodes": PICKS}
        await route.fulfill(json={"data": {"profile": {"recommendations": listed}}})

    await visitor.context.route("**/graphql", answer)
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("void tagway.use('picks', {token: () => 'visitor', pageType: 'homepage'})")
    await page.wait_for_load_state("networkidle")
    return page


async def test_picks_fill_the_page_s_own_template_with_text_and_harmless_attributes(
    site: Site, visitor: Visitor
) -> None:
    asked: list[Any] = []
    page = await opened(site, visitor, asked)
    picks = page.locator("#picks")
    assert not await picks.is_visible()
    assert asked == []
    await consent(page, ALL)
    await picks.get_by_text("Lamp 1, 9.5 €").wait_for()
    variables = {"first": 2, "context": {"placement": "home", "pageType": "homepage"}}
    assert asked == [("Bearer visitor", variables)]
    links = picks.locator("a")
    assert await links.first.get_attribute("href") == "/products/a%2Fb%3Fc?from=much%20wanted"
    assert await links.first.get_attribute("onclick") is None
    assert await links.nth(1).locator("b").inner_text() == "<i>two</i>, 9.5 €"
    assert await links.nth(1).locator("img").get_attribute("src") is None
    await page.evaluate("addEventListener('click', event => event.preventDefault())")
    await links.nth(1).click()
    await page.evaluate("void tagway.flush()")
    await site.until(lambda s: s.named("recommendation_clicked"))
    assert site.named("recommendation_shown")[0]["properties"] == {"list_id": "list-1"}
    clicked = {"list_id": "list-1", "product_id": "p2", "position": 2}
    assert [event["properties"] for event in site.named("recommendation_clicked")] == [clicked]


async def test_each_page_view_asks_anew_and_a_withdrawal_empties_the_place(site: Site, visitor: Visitor) -> None:
    asked: list[Any] = []
    page = await opened(site, visitor, asked)
    await consent(page, ALL)
    await page.locator("#picks a").first.wait_for()
    async with page.expect_response("**/graphql"):
        await page.evaluate("history.pushState({}, '', '/next')")
    assert len(asked) == 2
    await page.locator("#picks a").first.wait_for()
    assert await page.locator("#picks a").count() == 2
    await consent(page, {"personalization": False})
    assert await page.locator("#picks a").count() == 0
    assert not await page.locator("#picks").is_visible()


async def test_the_gateway_understands_what_it_is_asked(api: Api, seeds: Seeds) -> None:
    query = re.search(
        r"query\(\$first.*?\}{5}", files.part_source("extras/picks").decode().replace("\\n", " "), re.DOTALL
    )
    assert query
    await seeds.profile(anonymous_id="a-1")
    variables = {"first": 3, "context": {"placement": "home", "pageType": None, "device": None}}
    told = await api.as_end_user("a-1").data(query[0], **variables)
    assert set(told["profile"]["recommendations"]) == {"listId", "personalized", "nodes"}
