import json
from typing import Any

import pytest

from domain.consent import Purpose
from domain.event import CallType
from domain.pace import Pace, Quota, TooManyEvents
from tests.fixtures.gateway import Gateway, event

UPDATE = {
    "customer_id": "12345",
    "behavioral_data": {"last_viewed": "2024-04-25T14:30:00", "actions": ["viewed_product", "added_to_cart"]},
    "transactional_data": {"last_purchase": "2024-04-24", "total_spent": 350},
    "demographic_data": {"age": 35, "location": "NY"},
}


async def get(gateway: Gateway, path: str, **headers: str) -> tuple[int, Any]:
    async with gateway.http.get(gateway.url + path, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_the_process_is_alive_and_ready(gateway: Gateway) -> None:
    assert await get(gateway, "/healthz") == (200, {"status": "ok"})
    assert await get(gateway, "/health") == (200, {"status": "ok"})
    stores = {"postgres": True, "redis": True, "log": True}
    assert await get(gateway, "/readyz") == (
        200,
        {"status": "ready", "stores": stores, "spooled_requests": 0},
    )


async def test_the_figures_name_routes_and_never_keys(gateway: Gateway) -> None:
    await gateway.batch(event(), event(consent={}))
    async with gateway.http.get(gateway.url + f"/tag/{gateway.tenant.write_key}.js") as response:
        assert response.status == 200
    async with gateway.http.get(gateway.url + "/metrics") as response:
        figures = await response.text()
    assert 'tagway_events_total{outcome="dropped_consent"}' in figures
    assert 'route="/v1/{call}"' in figures
    assert gateway.tenant.write_key not in figures


async def test_segment_s_browser_sdk_is_told_to_send_here(gateway: Gateway) -> None:
    status, settings = await get(gateway, f"/v1/projects/{gateway.tenant.write_key}/settings")
    ours = settings["integrations"]["Segment.io"]
    assert status == 200
    assert ours["protocol"] + "://" + ours["apiHost"] == gateway.url + "/v1"
    assert ours["apiKey"] == gateway.tenant.write_key
    assert (await get(gateway, "/v1/projects/unknown/settings"))[0] == 401
    assert await gateway.post("/v1/m", {"series": []}) == (200, {"success": True})


async def test_rudderstack_s_browser_sdk_is_told_its_source_is_enabled(gateway: Gateway) -> None:
    status, config = await get(gateway, f"/sourceConfig/?p=npm&writeKey={gateway.tenant.write_key}")
    assert status == 200
    assert config["source"]["enabled"] is True
    assert config["source"]["id"]
    assert config["source"]["destinations"] == []


async def test_the_tag_is_cached_until_it_changes(gateway: Gateway) -> None:
    for path in ("/tag.js", f"/tag/{gateway.tenant.write_key}.js"):
        async with gateway.http.get(gateway.url + path) as response:
            assert (response.status, response.content_type) == (200, "text/javascript")
            assert gateway.tenant.write_key in await response.text() or path == "/tag.js"
            tag = response.headers["ETag"]
        async with gateway.http.get(gateway.url + path, headers={"If-None-Match": tag}) as response:
            assert response.status == 304
    assert (await get(gateway, "/tag/unknown.js"))[0] == 401


async def test_the_tag_travels_packed_to_whoever_can_unpack_it(gateway: Gateway) -> None:
    for path in ("/tag.js", f"/tag/{gateway.tenant.write_key}.js", "/tag/extras/scroll.js"):
        bodies, tags = [], []
        for accepted in ("gzip, deflate, br", "identity"):
            headers = {"Accept-Encoding": accepted}
            async with gateway.http.get(gateway.url + path, headers=headers) as response:
                assert response.headers.get("Content-Encoding") == ("gzip" if "gzip" in accepted else None)
                assert response.headers["Vary"] == "Accept-Encoding"
                bodies.append(await response.read())
                tags.append(response.headers["ETag"])
        assert bodies[0] == bodies[1]
        assert tags[0] != tags[1]


async def test_update_profile_becomes_an_identify_call(gateway: Gateway) -> None:
    status, answer = await gateway.post("/update_profile", UPDATE, headers=_bearer(gateway.tenant.secret_key))
    assert (status, answer["counts"]) == (200, {"accepted": 1})
    (logged,) = await gateway.logged()
    assert logged.type is CallType.IDENTIFY
    assert set(logged.purposes) <= {Purpose.FUNCTIONAL, Purpose.ANALYTICS, Purpose.PERSONALIZATION}
    assert {"total_spent": 350, "last_purchase": "2024-04-24"}.items() <= logged.traits.items()
    assert logged.traits["actions"] == ["viewed_product", "added_to_cart"]


async def test_update_profile_takes_half_a_character(gateway: Gateway) -> None:
    update = json.dumps({**UPDATE, "behavioral_data": {"actions": ["add\ud83d"]}}).encode()
    status, answer = await gateway.post("/update_profile", update, headers=_bearer(gateway.tenant.secret_key))
    assert (status, answer["counts"]) == (200, {"accepted": 1})
    (logged,) = await gateway.logged()
    assert logged.traits["actions"] == ["add\ufffd"]


async def test_update_profile_is_answered_by_the_mutation(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes before or after the mutation counts for the route as well: here, that nothing is taken at all."""

    async def refuse(*_arguments: Any) -> Any:
        raise TooManyEvents(Pace(a_second=1, at_once=3), Quota(at_once=3, left=0, full_after=3), 2)

    headers = {"Authorization": f"Bearer {gateway.tenant.secret_key}"}
    async with gateway.http.post(gateway.url + "/update_profile", json=UPDATE, headers=headers) as taken:
        assert int(taken.headers["X-RateLimit-Remaining"]) < int(taken.headers["X-RateLimit-Limit"])
    monkeypatch.setattr("resolvers.collecting.collect", refuse)
    async with gateway.http.post(gateway.url + "/update_profile", json=UPDATE, headers=headers) as refused:
        answer = await refused.json()
        assert (refused.status, answer["code"]) == (429, "too_many_events")
        assert (refused.headers["Retry-After"], refused.headers["X-RateLimit-Remaining"]) == ("2", "0")


async def test_a_person_s_refusal_wins_over_the_operator(gateway: Gateway) -> None:
    refusal = dict.fromkeys(("functional", "analytics", "personalization"), False)
    await gateway.batch(event(userId="12345"))
    await gateway.batch(event("Consent Preference Updated", refusal, userId="12345"))
    status, answer = await gateway.post("/update_profile", UPDATE, headers=_bearer(gateway.tenant.secret_key))
    assert (status, answer["counts"]) == (200, {"dropped_consent": 1})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "malformed_json"),
        ({}, "invalid_request"),
        ({"customer_id": None}, "invalid_request"),
        ({"customer_id": "1", "behavioral_data": []}, "invalid_request"),
    ],
)
async def test_a_faulty_update_is_refused(gateway: Gateway, body: Any, code: str) -> None:
    status, answer = await gateway.post("/update_profile", body, headers=_bearer(gateway.tenant.secret_key))
    assert (status, answer["code"]) == (400, code)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"customer_id": "null"}, "a placeholder"),
        ({"customer_id": "1", "demographic_data": {"age": {"years": 3}}}, "traits.age"),
    ],
)
async def test_update_profile_refuses_what_no_profile_can_take(
    gateway: Gateway, body: dict[str, Any], place: str
) -> None:
    status, answer = await gateway.post("/update_profile", body, headers=_bearer(gateway.tenant.secret_key))
    assert (status, answer["code"]) == (400, "invalid_event")
    assert place in answer["message"]


async def test_update_profile_needs_a_secret_key(gateway: Gateway) -> None:
    assert (await gateway.post("/update_profile", UPDATE, key=None))[1]["code"] == "missing_key"
    asked = await gateway.post("/update_profile", UPDATE, headers=_bearer(gateway.tenant.write_key))
    assert asked[1]["code"] == "wrong_kind_of_key"


async def test_the_demo_hands_out_tokens_for_its_own_visitors(gateway: Gateway) -> None:
    keys = {"write_key": gateway.tenant.write_key, "secret_key": "", "workspace": ""}
    (gateway.resources.settings.data / "keys.json").write_text(json.dumps(keys))
    assert await get(gateway, "/demo/settings.json") == (200, {"writeKey": gateway.tenant.write_key})
    status, answer = await gateway.post("/demo/token", {"anonymousId": "a1"}, key=None)
    assert status == 200
    principal = await gateway.resources.authenticator.token(answer["token"])
    assert (principal.workspace, principal.anonymous_id) == (gateway.tenant.workspace, "a1")
    for faulty in ({}, {"anonymousId": ""}, {"anonymousId": 5}, b"{"):
        assert (await gateway.post("/demo/token", faulty, key=None))[0] == 400


async def test_every_answer_names_its_request(gateway: Gateway) -> None:
    async with gateway.http.get(gateway.url + "/nowhere") as response:
        assert response.status == 404
        assert response.headers["X-Request-ID"]


async def test_an_unknown_fault_shows_nothing_of_itself(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def trip(*_arguments: Any, **_keywords: Any) -> Any:
        raise RuntimeError("canary@shop.example")

    monkeypatch.setattr(gateway.resources.collector, "collect", trip)
    status, answer = await gateway.post("/v1/batch", {"batch": [event()]})
    assert (status, answer["code"]) == (500, "internal")
    assert answer["request_id"]
    written = capsys.readouterr()
    assert answer["request_id"] in written.out + written.err
    assert "canary" not in str(answer) + written.out + written.err


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
