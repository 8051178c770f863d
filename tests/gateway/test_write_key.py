import base64
import time
from typing import Any

import msgspec
import pytest

from domain.errors import Refused, StoreUnavailable
from domain.key import KeyKind
from gateway.auth import Authenticator
from stores.keys import list_keys, revoke_key
from tests.fixtures.gateway import Gateway, basic, event, make_tenant


@pytest.mark.parametrize("way", ["basic", "body", "query", "bearer", "bearer and body"])
async def test_the_write_key_may_come_each_way(gateway: Gateway, way: str) -> None:
    key = gateway.tenant.write_key
    body: dict[str, Any] = {"batch": [event()]}
    headers = {}
    match way:
        case "basic":
            headers["Authorization"] = basic(key)
        case "body":
            body["writeKey"] = key
        case "bearer":
            headers["Authorization"] = f"Bearer {key}"
        case "bearer and body":
            headers["Authorization"] = "Bearer an-oauth-token"
            body["writeKey"] = key
    path = f"/beacon/v1/batch?writeKey={key}" if way == "query" else "/v1/batch"
    status, _ = await gateway.post(path, body, key=None, headers=headers)
    assert status == 200


async def test_without_a_key_or_with_the_wrong_kind_nothing_is_taken(gateway: Gateway) -> None:
    assert await _code(gateway, None) == (401, "missing_key")
    assert await _code(gateway, gateway.tenant.secret_key) == (403, "wrong_kind_of_key")


async def test_a_revoked_key_is_refused_within_five_seconds(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _code(gateway, gateway.tenant.write_key) == (200, None)
    workspace = gateway.tenant.workspace
    async with gateway.resources.database.workspace(workspace) as connection:
        key = next(key for key in await list_keys(connection, workspace) if key.kind is KeyKind.WRITE)
        assert await revoke_key(connection, workspace, key.id, gateway.resources.clock())
        assert not await revoke_key(connection, workspace, key.id, gateway.resources.clock())
    later = time.monotonic() + 5.0
    monkeypatch.setattr(gateway.resources.authenticator, "_ticks", lambda: later)
    assert await _code(gateway, gateway.tenant.write_key) == (401, "unknown_key")


async def test_values_that_are_no_keys_make_none_forgotten(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.auth._KEYS_REMEMBERED", 5)
    monkeypatch.setattr("gateway.auth._STRANGERS_REMEMBERED", 5, raising=False)
    resources = gateway.resources
    authenticator = Authenticator(resources.database, resources.workspaces, resources.clock)
    key = await authenticator.write_key(gateway.tenant.write_key, None)
    for number in range(20):
        with pytest.raises(Refused):
            await authenticator.write_key(f"made-up-{number}", None)
    monkeypatch.setattr("gateway.auth.find_key", _away)
    monkeypatch.setattr(authenticator, "_ticks", lambda: time.monotonic() + 60)
    assert await authenticator.write_key(gateway.tenant.write_key, None) == key
    for value in ("made-up-19", "made-up-20"):
        with pytest.raises(StoreUnavailable):
            await authenticator.write_key(value, None)


async def _away(*_arguments: object) -> None:
    raise StoreUnavailable


async def test_a_key_is_held_to_its_origins(gateway: Gateway) -> None:
    tenant = await make_tenant(gateway.database_url, "strict", origins=["https://shop.example"])
    headers = {"Authorization": basic(tenant.write_key)}
    right = await gateway.post("/v1/batch", {"batch": []}, headers={**headers, "Origin": "https://shop.example"})
    wrong = await gateway.post("/v1/batch", {"batch": []}, headers={**headers, "Origin": "https://evil.example"})
    server = await gateway.post("/v1/batch", {"batch": []}, headers=headers)
    assert (right[0], server[0]) == (200, 200)
    assert (wrong[0], wrong[1]["code"]) == (403, "origin_not_allowed")


async def test_a_browser_s_preflight_is_answered(gateway: Gateway) -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,traceparent",
    }
    async with gateway.http.options(gateway.url + "/v1/t", headers=asked) as response:
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        allowed = response.headers["Access-Control-Allow-Headers"]
        assert {"authorization", "traceparent"} <= set(allowed.split(","))
    async with gateway.http.post(gateway.url + "/v1/t", data="{", headers=asked) as response:
        assert response.status == 400
        assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_an_image_is_held_to_the_origins_of_its_key_by_its_referrer(gateway: Gateway) -> None:
    tenant = await make_tenant(gateway.database_url, "strict", origins=["https://shop.example"])
    sites = {"https://shop.example/": 200, "https://evil.example/https://shop.example": 403, "no address": 200}
    for number, (site, status) in enumerate(sites.items()):
        call = event(messageId=f"m-{number}", writeKey=tenant.write_key)
        query = {"data": base64.b64encode(msgspec.json.encode(call)).decode()}
        headers = {"Referer": site}
        async with gateway.http.get(f"{gateway.url}/pixel/v1/track", params=query, headers=headers) as response:
            assert response.status == status
            assert response.content_type == "image/gif"
    assert {each.message_id for each in await gateway.logged(tenant.workspace)} == {"m-0", "m-2"}


async def test_a_flood_is_refused_and_a_stopping_process_says_so(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = gateway.resources.intake
    monkeypatch.setattr(intake, "_stopping", False)
    monkeypatch.setattr(intake, "_most", 0)
    assert await _code(gateway, gateway.tenant.write_key) == (429, "too_many_requests")
    monkeypatch.setattr(intake, "_most", 10)
    intake.stop()
    assert await _code(gateway, gateway.tenant.write_key) == (503, "shutting_down")


async def _code(gateway: Gateway, key: str | None) -> tuple[int, str | None]:
    status, answer = await gateway.post("/v1/batch", {"batch": []}, key=key)
    return status, answer.get("code")
