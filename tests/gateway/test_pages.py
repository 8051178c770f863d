import msgspec
import pytest
from playwright.async_api import expect

from tests.fixtures.browser import Visitor
from tests.fixtures.gateway import Gateway


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html"),
        ("/demo", "text/html"),
        ("/demo/products/lamp", "text/html"),
        ("/console/static/console.js", "text/javascript"),
        ("/console/static/design.css", "text/css"),
        ("/demo/static/shop.js", "text/javascript"),
        ("/demo/static/goods/lamp.svg", "image/svg+xml"),
    ],
)
async def test_pages_and_their_files_are_served(gateway: Gateway, path: str, media_type: str) -> None:
    async with gateway.http.get(gateway.url + path) as response:
        assert response.status == 200
        assert response.content_type == media_type
        if media_type == "text/html":
            assert "default-src 'self'" in response.headers["Content-Security-Policy"]
            assert "unsafe" not in response.headers["Content-Security-Policy"]


async def test_no_page_leads_out_of_its_folder(gateway: Gateway) -> None:
    for path in ("/console/static/../files.py", "/console/static/%2e%2e/files.py", "/demo/static/..%2f..%2ffiles.py"):
        async with gateway.http.get(gateway.url + path) as response:
            assert b"def console_page" not in await response.read()


async def test_what_a_visitor_allows_in_the_shop_reaches_the_log(gateway: Gateway, visitor: Visitor) -> None:
    keys = gateway.resources.settings.data / "keys.json"
    keys.write_bytes(msgspec.json.encode({"write_key": gateway.tenant.write_key}))
    page = await visitor.open(f"{gateway.url}/demo")
    await page.get_by_role("link", name="Arc lamp").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Arc lamp")
    assert await gateway.log_values() == []
    outcomes = await page.evaluate(
        """() => new Promise(done => {
            const outcomes = [];
            tagway.on('results', results => {
                outcomes.push(...results.map(result => result.outcome));
                if (outcomes.length >= 4) done(outcomes);
            });
            document.querySelector('[data-answer=all]').click();
        })"""
    )
    assert set(outcomes) == {"accepted"}
    names = [event.name for event in await gateway.logged()]
    assert names[0] == "Consent Preference Updated"
    assert "product_view" in names
