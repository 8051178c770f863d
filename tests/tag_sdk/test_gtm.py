"""The template for Google Tag Manager: its form, and its code in a sandbox that grants what it asks for and no more."""

import json
import re
from typing import Any

import pytest
from playwright.async_api import Page

from tag_sdk import files
from tests.fixtures.browser import Visitor
from tests.fixtures.gateway import Gateway
from tests.tag_sdk.conftest import STATEMENT, WRITE_KEY, Site, loaded, names

NEEDS = {
    "callInWindow": "access_globals",
    "copyFromWindow": "access_globals",
    "createQueue": "access_globals",
    "injectScript": "inject_script",
    "encodeUriComponent": None,
    "makeTableMap": None,
}
"""The functions of the sandbox that it uses, and the permission that each is checked against."""

# Enough of the manager: every function refuses what the permissions do not name, as the manager's own do.
SANDBOX = """([data, permissions]) => new Promise((gtmOnSuccess, gtmOnFailure) => {
    Object.assign(data, {gtmOnSuccess, gtmOnFailure});
    const may = (right, path) => {
        if (!permissions.globals.some(each => each.key === path && each[right])) throw Error(`${right} ${path}`);
    };
    const at = path => path.split('.').reduce((value, name) => value?.[name], window);
    const library = {
        callInWindow: (path, ...given) => { may('execute', path); return at(path)(...given); },
        copyFromWindow: path => { may('read', path); return at(path); },
        createQueue: path => {
            may('read', path); may('write', path);
            return entry => (window[path] ??= []).push(entry);
        },
        encodeUriComponent: encodeURIComponent,
        injectScript: (url, onload, onerror) => {
            if (!permissions.urls.some(each => url.startsWith(each.replace(/\\*$/, '')))) throw Error(url);
            const script = document.createElement('script');
            document.head.append(Object.assign(script, {src: url, async: true, onload, onerror}));
        },
        makeTableMap: (rows, key, value) => Object.fromEntries(rows.map(row => [row[key], row[value]])),
    };
    const require = name => library[name];
    CODE
})"""


def sections(host: str) -> dict[str, str]:
    """Divide the template by its headings."""
    _, *parts = re.split(r"^___([A-Z_]+)___\n", files.tag_manager_template(host), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def plain(value: dict[str, Any]) -> Any:
    """Turn a value as the manager writes it into JSON's own."""
    match value["type"]:
        case 1:
            return value["string"]
        case 2:
            return [plain(each) for each in value["listItem"]]
        case 3:
            return dict(zip(map(plain, value["mapKey"]), map(plain, value["mapValue"]), strict=True))
    return value["boolean"]


def permissions(host: str) -> dict[str, Any]:
    given = {
        each["instance"]["key"]["publicId"]: {p["key"]: plain(p["value"]) for p in each["instance"]["param"]}
        for each in json.loads(sections(host)["WEB_PERMISSIONS"])
    }
    assert set(given) == {"access_globals", "inject_script"}
    return {"globals": given["access_globals"]["keys"], "urls": given["inject_script"]["urls"]}


async def run(page: Page, host: str, data: dict[str, Any]) -> None:
    """Run the template's code as the manager would."""
    code = sections(host)["SANDBOXED_JS_FOR_WEB_TEMPLATE"]
    await page.evaluate(SANDBOX.replace("CODE", code), [data, permissions(host)])


def test_the_template_has_what_the_manager_imports() -> None:
    parts = sections("https://gateway.example/")
    assert list(parts) == [
        "INFO",
        "TEMPLATE_PARAMETERS",
        "SANDBOXED_JS_FOR_WEB_TEMPLATE",
        "WEB_PERMISSIONS",
        "TESTS",
        "NOTES",
    ]
    info = json.loads(parts["INFO"])
    assert (info["type"], info["containerContexts"]) == ("TAG", ["WEB"])
    assert permissions("https://gateway.example/")["urls"] == ["https://gateway.example/tag/*"]
    assert "__HOST__" not in "".join(parts.values())


def test_every_function_and_field_that_the_code_uses_is_declared() -> None:
    parts = sections("https://gateway.example")
    code = parts["SANDBOXED_JS_FOR_WEB_TEMPLATE"]
    assert set(re.findall(r"require\('(\w+)'\)", code)) == set(NEEDS)
    fields = json.loads(parts["TEMPLATE_PARAMETERS"])
    declared = {each["name"] for field in fields for each in [field, *field.get("subParams", [])]}
    used = set(re.findall(r"\bdata\.(\w+)", code)) - {"gtmOnSuccess", "gtmOnFailure"}
    assert used <= declared
    (action,) = [field for field in fields if field["name"] == "action"]
    assert {item["value"] for item in action["selectItems"]} == set(
        re.findall(r"^  (\w+): \(\) =>", code, re.MULTILINE)
    )
    # What the sandbox does not have.
    assert not re.findall(r"\b(new|this|window|document|class|async|Promise|setTimeout)\b", code.split("*/")[-1])


async def test_calls_before_the_tag_has_come_are_carried_out_in_their_order(site: Site, visitor: Visitor) -> None:
    site.embed = ""
    page = await visitor.open(site.url)
    rows = [{"name": "product_id", "value": "lamp"}, {"name": "price", "value": 9.5}]
    await run(page, site.url, {"action": "track", "event": "product_view", "values": rows})
    await run(page, site.url, {"action": "consent", "analytics": True, "advertising": "denied", "functional": ""})
    await run(page, site.url, {"action": "start", "host": f"{site.url}/", "writeKey": WRITE_KEY})
    await loaded(page)
    await run(page, site.url, {"action": "identify", "userId": "ann", "values": [{"name": "plan", "value": "gold"}]})
    await run(page, site.url, {"action": "page", "pageName": "Lamps"})
    await run(page, site.url, {"action": "identify", "userId": ""})
    await page.evaluate("void tagway.flush()")
    await site.until(lambda s: len(s.events) == 5)
    assert names(site.events) == [STATEMENT, "page", "product_view", "identify", "page"]
    assert site.named("product_view")[0]["properties"] == {"product_id": "lamp", "price": 9.5}
    assert (site.events[3]["userId"], site.events[3]["traits"]) == ("ann", {"plan": "gold"})
    assert site.events[4]["name"] == "Lamps"
    consent = await page.evaluate("tagway.consent.get()")
    assert (consent["analytics"], consent["advertising"], consent["functional"]) == ("granted", "denied", "pending")
    assert visitor.complaints == []


async def test_consent_mode_holds_everything_back_until_it_has_spoken(site: Site, visitor: Visitor) -> None:
    site.embed = ""
    page = await visitor.open(site.url)
    await run(
        page,
        site.url,
        {"action": "start", "host": site.url, "writeKey": WRITE_KEY, "googleConsent": True, "dataLayer": True},
    )
    await loaded(page)
    await page.wait_for_load_state("networkidle")
    assert site.sent == []
    await page.evaluate("""() => {
        function gtag() { dataLayer.push(arguments); }
        gtag('consent', 'update', {analytics_storage: 'granted'});
        dataLayer.push({event: 'search', search_term: 'lamps'});
    }""")
    await page.evaluate("void tagway.flush()")
    await site.until(lambda s: s.named("search"))
    assert site.named("search")[0]["properties"] == {"query": "lamps"}


async def test_a_script_from_elsewhere_is_not_permitted(site: Site, visitor: Visitor) -> None:
    page = await visitor.open(site.url)
    with pytest.raises(Exception, match="evil"):
        await run(page, site.url, {"action": "start", "host": "https://evil.example", "writeKey": WRITE_KEY})


async def test_each_gateway_serves_the_template_with_its_own_address(gateway: Gateway) -> None:
    async with gateway.http.get(f"{gateway.url}/tag/gtm.tpl") as response:
        assert response.status == 200
        assert "tagway.tpl" in response.headers["Content-Disposition"]
        assert await response.text() == files.tag_manager_template(gateway.url)
