"""Every route that takes a key, asked with that of one workspace about a person of another's: nothing is told or done.

A route without a case here fails.
"""

import asyncio
import base64
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec
import pytest

from gateway.app import create_app
from tests.fixtures.gateway import Gateway, Tenant, basic, event
from tests.fixtures.theirs import CANARY, Theirs
from tests.gateway.test_recommend import wanted
from tests.patience import AT_ALL

THEIRS: Final = "u-theirs"
CUSTOMER: Final = {"customer_id": THEIRS}


class Ask(NamedTuple):
    """A request. `{key}` stands for the write key; it is shown with `bearer` the secret key, else the write key."""

    method: str
    path: str
    body: Any = None
    bearer: bool = False


def _call() -> dict[str, Any]:
    return event(userId=THEIRS, previousId="u-second", groupId="g-1", traits={"plan": "stolen"})


def _query() -> str:
    return "?writeKey={key}&data=" + quote(base64.b64encode(msgspec.json.encode(_call())))


CASES: Final = {
    "/v1/{call}": [
        Ask("POST", f"/v1/{call}", {"batch": [_call()]} if call in ("batch", "import") else _call())
        for call in ("track", "identify", "page", "screen", "group", "alias", "batch", "import")
    ],
    "/beacon/v1/batch": [Ask("POST", "/beacon/v1/batch?writeKey={key}", {"batch": [_call()]})],
    "/pixel/v1/{call}": [Ask("GET", "/pixel/v1/track" + _query())],
    "/v1/pixel/{call}": [Ask("GET", "/v1/pixel/track" + _query())],
    "/v1/visitor": [Ask("POST", "/v1/visitor", {"writeKey": "{key}", "anonymousId": "visitor-theirs"})],
    "/v1/projects/{key}/settings": [Ask("GET", "/v1/projects/{key}/settings")],
    "/sourceConfig/": [Ask("GET", "/sourceConfig/?writeKey={key}")],
    "/sourceConfig": [Ask("GET", "/sourceConfig?writeKey={key}")],
    "/tag/{write_key}.js": [Ask("GET", "/tag/{key}.js")],
    "/update_profile": [
        Ask("POST", "/update_profile", {**CUSTOMER, "demographic_data": {"plan": "stolen"}}, bearer=True)
    ],
    "/recommend": [Ask("POST", "/recommend", CUSTOMER, bearer=True)],
    "/api/personalized-recommendations": [
        Ask("POST", "/api/personalized-recommendations", {**CUSTOMER, "segment": "theirs"}, bearer=True)
    ],
    "/token": [Ask("POST", "/token", {"userId": THEIRS}, bearer=True)],
}
ELSEWHERE: Final = {"/v1/stream", "/graphql"}
"""The stream has a test of its own below, GraphQL one for each of its root fields."""
KEYLESS: Final = {
    *("/tag.js", "/tag.d.ts", "/tag/gtm.tpl", "/tag/integrity.json", "/tag/{folder}/{name}.js"),
    *("/healthz", "/health", "/readyz", "/metrics"),
    *("/", "/demo", "/demo/{address:path}", "/demo/settings.json", "/demo/token", "/console/static", "/demo/static"),
    "/.well-known/tagway/ledger/{workspace}",
}
"""Routes that show everyone the same. Of a ledger the head is public; it names its own workspace and no person."""
SHOWN: Final = {"/recommend", "/api/personalized-recommendations"}
"""Routes whose answer shows their own what is theirs: so that it could show it to others."""


def test_every_route_has_a_case(gateway: Gateway) -> None:
    listed = {str(getattr(route, "path", None)) for route in create_app(gateway.resources).routes}
    assert listed == CASES.keys() | ELSEWHERE | KEYLESS
    assert not KEYLESS & (CASES.keys() | ELSEWHERE)


async def _asked(gateway: Gateway, ask: Ask, tenant: Tenant) -> str:
    """Ask with the keys of a workspace, and return all that was answered, headers too."""
    body = None if ask.body is None else msgspec.json.encode(ask.body).replace(b"{key}", tenant.write_key.encode())
    authorization = f"Bearer {tenant.secret_key}" if ask.bearer else basic(tenant.write_key)
    headers = {"Authorization": authorization, "Content-Type": "application/json"}
    url = gateway.url + ask.path.replace("{key}", tenant.write_key)
    async with gateway.http.request(ask.method, url, data=body, headers=headers) as response:
        assert response.status == 200, (ask.path, await response.text())
        return str(dict(response.headers)) + (await response.read()).decode("latin-1")


def _betrays(answer: str, theirs: Theirs) -> bool:
    return CANARY in answer or str(theirs.seeds.workspace) in answer


@pytest.mark.parametrize("path", CASES)
async def test_nothing_of_theirs_is_told_or_changed(gateway: Gateway, theirs: Theirs, path: str) -> None:
    house = theirs.api.gateway
    await wanted(house, "purchase", "p-theirs")
    before, logged = await theirs.rows(), await house.log_values()
    for ask in CASES[path]:
        assert not _betrays(await _asked(gateway, ask, gateway.tenant), theirs)
    assert await theirs.rows() == before
    assert await house.log_values() == logged
    if path in SHOWN:
        assert _betrays(await _asked(gateway, CASES[path][0], house.tenant), theirs)


async def test_a_token_of_ours_for_their_user_opens_nothing_of_theirs(gateway: Gateway, theirs: Theirs) -> None:
    found = []
    for tenant in (theirs.api.gateway.tenant, gateway.tenant):
        secret = {"Authorization": f"Bearer {tenant.secret_key}"}
        _, minted = await gateway.post("/token", {"userId": THEIRS}, headers=secret)
        token = {"Authorization": f"Bearer {minted['token']}"}
        status, answer = await gateway.post("/graphql", {"query": "{ profile { id traits } }"}, headers=token)
        assert status == 200
        found.append(answer["data"]["profile"])
    own, other = found
    assert _betrays(str(own), theirs)
    assert other is None


async def test_a_stream_reaches_nothing_of_theirs(gateway: Gateway, theirs: Theirs) -> None:
    house = theirs.api.gateway
    before, logged = await theirs.rows(), await house.log_values()
    headers = {"Authorization": basic(gateway.tenant.write_key)}
    async with asyncio.timeout(AT_ALL), gateway.http.ws_connect(f"{gateway.url}/v1/stream", headers=headers) as socket:
        await socket.send_json({"id": 1, "batch": [_call()]})
        told = await socket.receive_str()
    assert msgspec.json.decode(told)["status"] == 200
    assert not _betrays(told, theirs)
    assert await theirs.rows() == before
    assert await house.log_values() == logged
