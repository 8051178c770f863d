import json
from typing import Any

import pytest

from domain.clock import utc_now
from domain.errors import Refused
from domain.site import SiteSettings
from gateway.cli.sites import read_settings_file
from gateway.sites import Sites
from stores.keys import find_key
from stores.sites import read_site, write_site
from tests.fixtures.gateway import Gateway, make_tenant

SETTINGS = {
    "consent": {"functional": "granted"},
    "consentFrom": {"tcf": {"vendor": 9}},
    "extras": {"live": {}},
    "host": "https://shop.example/t",
    "serverCookie": True,
}


async def write(gateway: Gateway, settings: SiteSettings) -> None:
    async with gateway.resources.database.workspace(gateway.tenant.workspace) as connection:
        key = await find_key(connection, gateway.tenant.write_key)
        assert key is not None
        assert await write_site(connection, key.workspace, key.id, settings, utc_now())


async def told(gateway: Gateway) -> tuple[dict[str, Any], str]:
    async with gateway.http.get(f"{gateway.url}/tag/{gateway.tenant.write_key}.js") as response:
        first = (await response.text()).splitlines()[0]
        settings: dict[str, Any] = json.loads(first.removesuffix(";").split("=", 1)[1])
        assert settings.pop("plan")
        return settings, response.headers["ETag"]


async def test_the_tag_of_a_site_carries_its_settings_and_another_etag(gateway: Gateway) -> None:
    settings, before = await told(gateway)
    assert settings == {"host": gateway.url, "writeKey": gateway.tenant.write_key}
    await write(gateway, read_settings_file(json.dumps(SETTINGS).encode()))
    settings, _ = await told(gateway)
    assert settings == {"host": gateway.url, "writeKey": gateway.tenant.write_key}, "remembered for five seconds"

    now = 0.0
    sites = Sites(gateway.resources.database, lambda: now)
    key = await gateway.resources.authenticator.write_key(gateway.tenant.write_key, None)
    await write(gateway, SiteSettings())
    assert await sites.of(key) == SiteSettings()
    await write(gateway, read_settings_file(json.dumps(SETTINGS).encode()))
    assert await sites.of(key) == SiteSettings()
    now = 5.0
    assert (await sites.of(key)).host == "https://shop.example/t"

    gateway.resources.sites._sites.clear()
    settings, after = await told(gateway)
    assert before != after
    assert set(settings.pop("files")) == {"consent/tcf", "extras/live"}
    assert settings == SETTINGS | {"writeKey": gateway.tenant.write_key}


async def test_another_workspace_neither_reads_nor_writes_a_site(gateway: Gateway) -> None:
    await write(gateway, SiteSettings(server_cookie=True))
    key = await gateway.resources.authenticator.write_key(gateway.tenant.write_key, None)
    other = await make_tenant(gateway.database_url, "elsewhere")
    async with gateway.resources.database.workspace(other.workspace) as connection:
        assert await read_site(connection, key.workspace, key.id) == SiteSettings()
        assert not await write_site(connection, other.workspace, key.id, SiteSettings(), utc_now())


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"hosts": 1}, "hosts"),
        ({"consent": {"analytics": True}}, "consent"),
        ({"extras": {"telepathy": {}}}, "telepathy: not one of"),
        ({"consentFrom": {"live": {}}}, "live: not one of"),
        ({"host": "javascript:alert(1)"}, "host"),
        ({"cookieDomain": "a; path=/"}, "cookieDomain"),
        ({"collectFor": []}, "collectFor"),
    ],
)
def test_settings_that_no_tag_understands_are_refused(document: dict[str, Any], fault: str) -> None:
    with pytest.raises(Refused, match=fault):
        read_settings_file(json.dumps(document).encode())


async def test_parts_are_served_with_their_hashes_and_by_hash_for_ever(gateway: Gateway) -> None:
    async with gateway.http.get(f"{gateway.url}/tag/integrity.json") as response:
        hashes = await response.json()
    assert {"tag", "consent/tcf", "extras/live"} <= set(hashes)
    url, value = f"{gateway.url}/tag/consent/tcf.js", hashes["consent/tcf"]
    async with gateway.http.get(url) as response:
        assert response.headers["X-Integrity"] == value
        assert response.headers["Cache-Control"] == "public, max-age=3600"
        etag = response.headers["ETag"]
    async with gateway.http.get(url, headers={"If-None-Match": etag}) as response:
        assert response.status == 304
    for query, kept in ((value[7:15], True), ("00000000", False)):
        async with gateway.http.get(f"{url}?{query}") as response:
            assert ("immutable" in response.headers["Cache-Control"]) is kept
    for unknown in ("consent/other", "extras/..%2f..%2fparts"):
        async with gateway.http.get(f"{gateway.url}/tag/{unknown}.js") as response:
            assert response.status == 404
    async with gateway.http.get(f"{gateway.url}/tag.d.ts") as response:
        assert "interface Tagway" in await response.text()
