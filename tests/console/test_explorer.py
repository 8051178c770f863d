"""The page to try GraphQL on, in a browser."""

from playwright.async_api import expect

from tests.fixtures.browser import Visitor
from tests.fixtures.gateway import Gateway
from tests.fixtures.seeds import Seeds


async def test_a_query_a_subscription_and_the_schema(gateway: Gateway, visitor: Visitor, seeds: Seeds) -> None:
    await seeds.profile(user_id="u-1", traits={"plan": "pro"})
    page = await visitor.open(gateway.url + "/graphql")
    await expect(page.locator("#schema h2")).to_have_text("Query", timeout=60_000)
    await expect(page.locator("#variables")).to_be_in_viewport()
    await page.fill("#find", "Viewer")
    await expect(page.locator("#schema dt").first).to_contain_text("workspace")
    await page.fill("#key", gateway.tenant.secret_key)
    await page.fill("#document", 'query { profile(by: {externalId: "u-1"}) { traits } }')
    await page.click("#run")
    await expect(page.locator("#answer")).to_contain_text('"plan": "pro"', timeout=60_000)
    await page.fill(
        "#document", 'subscription { profileChanges(profile: {externalId: "u-1"}) { kind profileVersion } }'
    )
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#answer")).to_contain_text("SNAPSHOT", timeout=60_000)
    await seeds.set("profile", "version", 7)
    await expect(page.locator("#answer")).to_contain_text('"profileVersion": 7', timeout=60_000)
    await page.click("#stop")
    await expect(page.locator("#stop")).to_be_hidden()
    assert visitor.complaints == []
