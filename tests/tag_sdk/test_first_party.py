"""The tag under the site's own name, and only where its key may be used."""

from tests.fixtures.browser import Visitor
from tests.fixtures.gateway import Gateway, make_tenant
from tests.tag_sdk.conftest import ALL, POLICY, Site, consent, loaded
from tests.tag_sdk.stored import embed, logged, named


async def test_behind_a_path_of_the_site_s_everything_is_its_own(
    site: Site, gateway: Gateway, visitor: Visitor
) -> None:
    await embed(site, gateway, {"host": f"{site.url}/t", "serverCookie": True, "extras": {"clicks": {}}})
    site.behind, site.headers = gateway.url, {"Content-Security-Policy": POLICY}
    site.embed = f'<script src="/t/tag/{gateway.tenant.write_key}.js"></script>'
    hosts: set[str] = set()
    visitor.context.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("void tagway.track('product_view', {product_id: 'lamp'})")
    assert await visitor.context.cookies() == []
    await consent(page, ALL)
    (view,) = named(await logged(gateway, lambda events: named(events, "product_view")), "product_view")
    (cookie,) = await visitor.context.cookies()
    assert (cookie["name"][:7], cookie["httpOnly"], cookie["sameSite"]) == ("tagway_", True, "Lax")
    assert await page.evaluate("document.cookie") == ""

    # What the browser forgets of scripts, the gateway's cookie brings back.
    first = await page.evaluate("tagway.user().anonymousId")
    await page.evaluate("localStorage.clear()")
    page = await loaded(await visitor.open(f"{site.url}/later"))
    await page.evaluate("void tagway.track('product_view', {product_id: 'chair'})")
    await consent(page, ALL)
    views = named(await logged(gateway, lambda events: len(named(events, "product_view")) == 2), "product_view")
    assert await page.evaluate("tagway.user().anonymousId") == first
    assert {each.subject for each in views} == {view.subject}

    async with page.expect_response("**/v1/visitor"):
        await page.evaluate("void tagway.consent.withdraw()")
    assert await visitor.context.cookies() == []
    assert hosts == {site.url.removeprefix("http://")}
    assert visitor.complaints == []


async def test_the_plain_tag_sends_to_the_folder_that_it_came_from(
    site: Site, gateway: Gateway, visitor: Visitor
) -> None:
    site.behind = gateway.url
    site.embed = f'<script src="/t/tag.js" data-write-key="{gateway.tenant.write_key}"></script>'
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    await logged(gateway, lambda events: named(events, "Consent Preference Updated"))


async def test_a_key_of_another_site_s_collects_nothing_and_says_so(
    site: Site, gateway: Gateway, visitor: Visitor
) -> None:
    other = await make_tenant(gateway.database_url, "elsewhere", origins=["https://elsewhere.example"])
    site.embed = f'<script src="{gateway.url}/tag/{other.write_key}.js"></script>'
    site.headers = {"Content-Security-Policy": f"script-src {gateway.url}; connect-src {gateway.url}"}
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("void (window.drop = new Promise(done => tagway.on('drop', done)))")
    await consent(page, ALL)
    drop = await page.evaluate("drop")
    assert (drop["reason"], drop["status"]) == ("rejected", 403)
    assert await gateway.logged(other.workspace) == []
