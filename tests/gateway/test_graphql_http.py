import asyncio
import json
import re
from datetime import timedelta
from typing import Any

import aiohttp
import msgspec
import pytest

from domain.clock import utc_now
from domain.consent import Purpose, State
from domain.key import KeyKind, Scope
from gateway.auth import mint_end_user_token
from gateway.resources import Resources
from gateway.settings import Settings
from gateway.wiring import open_resources
from stores.keys import create_key
from stores.postgres import Database
from tests.fixtures.gateway import Gateway, listening, make_tenant
from tests.fixtures.seeds import Seeds
from tests.patience import AT_ALL

_VIEWER = {"query": "{ viewer { scopes endUser } }"}


async def _post(gateway: Gateway, body: Any, token: str | None = None, **headers: str) -> tuple[int, Any]:
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return await gateway.post("/graphql", body, key=None, headers=headers)


async def test_a_secret_key_and_a_visitor_s_token_are_let_in(gateway: Gateway) -> None:
    status, answer = await _post(gateway, _VIEWER, gateway.tenant.secret_key)
    assert (status, answer["data"]["viewer"]["endUser"]) == (200, False)
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    token = mint_end_user_token(workspace, anonymous_id="a-1", now=utc_now())
    status, answer = await _post(gateway, _VIEWER, token)
    assert (status, answer["data"]["viewer"]["endUser"]) == (200, True)


async def test_who_is_not_let_in_is_told_why(gateway: Gateway) -> None:
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    expired = mint_end_user_token(workspace, anonymous_id="a-1", now=utc_now() - timedelta(hours=2))
    for token, status, code in (
        ("nonsense", 401, "unknown_key"),
        (gateway.tenant.write_key, 403, "wrong_kind_of_key"),
        (expired, 401, "invalid_token"),
        ("a.b.c", 401, "invalid_token"),
    ):
        found = await _post(gateway, _VIEWER, token)
        assert (found[0], found[1]["errors"][0]["extensions"]["code"]) == (status, code)


async def test_a_key_has_the_scopes_it_was_given(gateway: Gateway) -> None:
    database = await Database.open(gateway.database_url, role="worker", max_size=1)
    async with database.across() as connection:
        _, key = await create_key(
            connection, gateway.tenant.workspace, KeyKind.SECRET, "reader", scopes=[Scope.EVENTS_READ], at=utc_now()
        )
    await database.close()
    status, answer = await _post(gateway, _VIEWER, key)
    assert answer["data"]["viewer"]["scopes"] == ["events:read"]
    status, answer = await _post(gateway, {"query": "{ profiles { totalCount } }"}, key)
    assert status == 200
    assert answer["errors"][0]["extensions"] == {"code": "missing_scope"}
    assert answer["errors"][0]["path"] == ["profiles"]


async def test_half_a_character_is_read_as_in_collection(gateway: Gateway) -> None:
    mutation = "mutation ($e: [JSON!]!) { trackEvents(input: {events: $e}) { __typename } }"
    event = {"type": "track", "event": "x", "userId": "u", "properties": {"query": "abc \ud83d"}}
    body = json.dumps({"query": mutation, "variables": {"e": [event]}}).encode()
    status, answer = await _post(gateway, body, gateway.tenant.secret_key)
    assert (status, answer.get("data")) == (200, {"trackEvents": {"__typename": "TrackEventsPayload"}})


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        (b"[" * 100_000, 400, "malformed_json"),
        (b'"text"', 400, "invalid_request"),
        (b"7", 400, "invalid_request"),
        (b"[]", 400, "invalid_request"),
        (b"[{}, {}]", 400, "invalid_request"),
        ({}, 400, "invalid_request"),
        ({"query": 7}, 400, "invalid_request"),
        ({"query": "{ viewer { workspace } }", "variables": 7}, 400, "invalid_request"),
        ({"query": "{ viewer { workspace } }", "operationName": 7}, 400, "invalid_request"),
        ({"query": "query A { viewer { workspace } }", "operationName": "B"}, 400, "invalid_request"),
        ({"query": "subscription { segmentChanges { kind } }"}, 400, "invalid_request"),
        ({"query": "{ viewer { workspace } }", "filler": "x" * 140_000}, 413, "request_too_large"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_no_request_is_refused(gateway: Gateway, body: Any, status: int, code: str) -> None:
    found, answer = await _post(gateway, body, gateway.tenant.secret_key)
    assert (found, answer["errors"][0]["extensions"]["code"]) == (status, code)


async def test_content_types_and_methods(gateway: Gateway) -> None:
    key, url = gateway.tenant.secret_key, gateway.url + "/graphql"
    found, answer = await _post(gateway, b"query=1", key, **{"Content-Type": "application/x-www-form-urlencoded"})
    assert (found, answer["errors"][0]["extensions"]["code"]) == (415, "unsupported_media_type")
    headers = {"Authorization": f"Bearer {key}"}
    async with gateway.http.put(url, headers=headers) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, POST")
    async with gateway.http.get(url, params=_VIEWER, headers=headers) as response:
        assert response.status == 200
    mutation = {"query": 'mutation { deleteSegment(input: {key: "x"}) { __typename } }'}
    async with gateway.http.get(url, params=mutation, headers=headers) as response:
        assert response.status == 405
    async with gateway.http.options(url, headers={"Origin": "https://shop.example"}) as response:
        assert response.status == 204
        assert response.headers["access-control-allow-origin"] == "*"
        assert "authorization" in response.headers["access-control-allow-headers"]


async def test_the_modern_media_type_is_answered_with_a_status(gateway: Gateway) -> None:
    key, modern = gateway.tenant.secret_key, "application/graphql-response+json"
    for query, accept, status, media_type in (
        ("{ viewer { workspace } }", modern, 200, modern),
        ("{ nothing }", modern, 400, modern),
        ("{", modern, 400, modern),
        ("{ nothing }", "application/json", 200, "application/json"),
        ("{ nothing }", "*/*", 200, "application/json"),
    ):
        headers = {"Authorization": f"Bearer {key}", "Accept": accept, "Content-Type": "application/json"}
        async with gateway.http.post(gateway.url + "/graphql", json={"query": query}, headers=headers) as response:
            assert (response.status, response.content_type) == (status, media_type), (query, accept)
            answer = await response.json(content_type=None)
            assert ("data" in answer) == (query == "{ viewer { workspace } }")


async def test_browsers_get_an_explorer_in_development_only(gateway: Gateway, gateway_settings: Settings) -> None:
    headers = {"Accept": "text/html"}
    async with gateway.http.get(gateway.url + "/graphql", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert "default-src 'self'" in response.headers["content-security-policy"]
        page = await response.text()
    assert "://" not in page, "nothing comes from elsewhere"
    for file in re.findall(r'(?:src|href)="([^"]+)"', page):
        async with gateway.http.get(f"{gateway.url}/{file}") as response:
            assert response.status == 200, file
    status, answer = await _post(gateway, {"query": "{ __schema { queryType { name } } viewer { workspace } }"})
    assert status == 200
    assert answer["errors"][0]["extensions"] == {"code": "missing_key"}
    status, answer = await _post(gateway, {"query": "{ __schema { queryType { name } } }"})
    assert answer == {"data": {"__schema": {"queryType": {"name": "Query"}}}}
    production = msgspec.structs.replace(gateway_settings, profile="production")
    async with open_resources(production) as resources, _listening(resources) as (url, http):
        async with http.get(url + "/graphql", headers=headers) as response:
            assert response.status == 401
            assert (await response.json())["errors"][0]["extensions"] == {"code": "missing_key"}
        authorized = {**headers, "Authorization": f"Bearer {gateway.tenant.secret_key}"}
        async with http.get(url + "/graphql", headers=authorized) as response:
            assert response.status == 404


def _listening(resources: Resources) -> Any:
    return _Listening(resources)


class _Listening:
    def __init__(self, resources: Resources) -> None:
        self._server = listening(resources)
        self._http = aiohttp.ClientSession()

    async def __aenter__(self) -> tuple[str, aiohttp.ClientSession]:
        return await self._server.__aenter__(), self._http

    async def __aexit__(self, *exception: object) -> None:
        await self._http.close()
        await self._server.__aexit__(None, None, None)


async def test_two_workspaces_keys_see_their_own(gateway: Gateway) -> None:
    other = await make_tenant(gateway.database_url, "other")
    document = {"query": "{ viewer { workspace } }"}
    _, mine = await _post(gateway, document, gateway.tenant.secret_key)
    _, theirs = await _post(gateway, document, other.secret_key)
    assert mine["data"]["viewer"] != theirs["data"]["viewer"]


async def test_an_answer_tells_what_it_cost_and_too_much_is_refused(
    gateway: Gateway, gateway_settings: Settings
) -> None:
    key = gateway.tenant.secret_key
    query = {"query": "{ profiles(first: 7) { nodes { id } } }"}
    _, answer = await _post(gateway, query, key)
    cost = answer["extensions"]["cost"]
    assert (cost["requested"], cost["actual"]) == (14, 1)  # the connection alone: there is nobody
    stingy = msgspec.structs.replace(gateway_settings, query_points=16, query_points_per_second=1)
    async with open_resources(stingy) as resources, _listening(resources) as (url, http):
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/graphql-response+json"}
        for _ in range(3):  # what is not used is given back
            async with http.post(url + "/graphql", json=query, headers=headers) as response:
                assert response.status == 200
        larger = {"query": "{ profiles(first: 9) { nodes { id } } }"}
        async with http.post(url + "/graphql", json=larger, headers=headers) as response:
            last = response.status, await response.json(content_type=None)
            waits = [response.headers["Retry-After"]]
        headers["Accept"] = "application/json"
        async with http.post(url + "/graphql", json=larger, headers=headers) as response:
            waits.append(response.headers["Retry-After"])
    assert last[0] == 429
    assert all(1 <= int(wait) <= 18 for wait in waits)
    [error] = last[1]["errors"]
    assert error["extensions"]["code"] == "cost_exceeded"
    assert error["extensions"]["retryAfter"] >= 1


async def test_a_token_that_expires_ends_its_stream_though_nothing_happens(
    gateway: Gateway, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.graphql.welcome.TOKEN_SECONDS", 0.05)
    await seeds.segment("vip")
    profile = await seeds.profile(anonymous_id="a-1")
    await seeds.consent(profile, Purpose.PERSONALIZATION, State.GRANTED)
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    token = mint_end_user_token(workspace, anonymous_id="a-1", now=utc_now())
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    body = {"query": "subscription { segmentChanges { kind segmentKey } }"}
    async with gateway.http.post(gateway.url + "/graphql", json=body, headers=headers) as response:
        told = response.content
        assert b"SNAPSHOT_END" in await _line(told, b"data: {")
        await seeds.happen(profile, "vip")
        change = msgspec.json.decode((await _line(told, b"data: {")).removeprefix(b"data: "))
        assert change == {"data": {"segmentChanges": {"kind": "ENTERED", "segmentKey": "vip"}}}
        authenticator = gateway.resources.authenticator
        monkeypatch.setattr(authenticator, "_clock", lambda: utc_now() + timedelta(hours=2))
        assert b"invalid_token" in await _line(told, b"data: {")
        assert b"complete" in await _line(told, b"event: ")
        assert await asyncio.wait_for(told.read(), AT_ALL) in (b"", b"data: \r\n\r\n")


async def _line(told: aiohttp.StreamReader, beginning: bytes) -> bytes:
    async with asyncio.timeout(AT_ALL):
        while not (line := await told.readline()).startswith(beginning):
            assert line
    return line
