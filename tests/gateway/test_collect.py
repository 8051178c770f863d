import asyncio
import base64
import gzip
import json
from typing import Any

import aiohttp
import msgspec
import pytest

from domain.alias import AliasKind
from domain.consent import Purpose
from domain.event import CallType
from domain.pace import Pace
from privacy.platform import Platform, digest_for
from tests.fixtures.figures import counted
from tests.fixtures.gateway import GRANTED, Gateway, basic, event, make_tenant

GOOD = ["before", "after"]


async def test_a_batch_is_answered_event_by_event(gateway: Gateway) -> None:
    status, answer = await gateway.post("/v1/batch", {"batch": [event(messageId="a"), event(messageId="b")]})
    assert status == 200
    assert answer["success"] is True
    assert answer["counts"] == {"accepted": 2}
    assert [result["message_id"] for result in answer["results"]] == ["a", "b"]
    logged = await gateway.logged()
    assert [(each.message_id, each.name, each.type) for each in logged] == [
        ("a", "product_view", CallType.TRACK),
        ("b", "product_view", CallType.TRACK),
    ]
    assert logged[0].properties == {"product_id": "p1"}
    assert set(logged[0].purposes) <= set(Purpose)


@pytest.mark.parametrize(
    ("faulty", "outcome", "code", "message"),
    [
        (5, "invalid", "invalid_event", "Expected `object`"),
        (event(type="dance"), "invalid", "invalid_event", "type: not one of"),
        (event(properties="none"), "invalid", "invalid_event", "$.properties"),
        (event(properties={"price": "dear"}), "invalid", "invalid_event", "properties.price"),
        (event(timestamp="soon"), "invalid", "invalid_event", "timestamp: not a date"),
        (event(timestamp=10**400), "invalid", "invalid_event", "timestamp: not a date"),
        (event(anonymousId=None), "invalid", "invalid_event", "userId or anonymousId is needed"),
        (event(anonymousId="undefined"), "invalid", "invalid_event", "a placeholder"),
        (event(properties={"query": "x" * 40_000}), "too_large", "event_too_large", "32 KB"),
        (event(properties={"query": "\0"}), "invalid", "invalid_event", "NUL"),
        (event(messageId="before"), "duplicate", None, None),
        (event(consent={}), "dropped_consent", None, None),
        (event(consent={"analytics": False}), "dropped_consent", None, None),
        (event(context={"consent": "yes"}), "dropped_consent", None, None),
        (event(context={"consent": {"categoryPreferences": {"analytics": "yes"}}}), "dropped_consent", None, None),
    ],
)
async def test_a_faulty_event_ends_alone(
    gateway: Gateway, faulty: Any, outcome: str, code: str | None, message: str | None
) -> None:
    results = await gateway.batch(event(messageId="before"), faulty, event(messageId="after"))
    assert [result["outcome"] for result in results] == ["accepted", outcome, "accepted"]
    assert results[1].get("code") == code
    assert message is None or message in results[1]["message"]
    assert [each.message_id for each in await gateway.logged()] == GOOD


@pytest.mark.parametrize("faulty", [event(consent={}), event(properties={"price": "dear"})])
async def test_an_event_that_was_not_taken_does_not_stand_in_the_way_of_its_message_id(
    gateway: Gateway, faulty: dict[str, Any]
) -> None:
    results = await gateway.batch({**faulty, "messageId": "same"}, event(messageId="same"), event(messageId="same"))
    assert [result["outcome"] for result in results][1:] == ["accepted", "duplicate"]
    assert len(await gateway.logged()) == 1


async def test_a_sending_time_out_of_all_bounds_counts_as_none(gateway: Gateway) -> None:
    status, _ = await gateway.post("/v1/batch", {"batch": [event()], "sentAt": 10**400})
    assert status == 200
    assert (await gateway.logged())[0].sent_at is None


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        ("/v1/batch", b"not json", {}, 400, "malformed_json"),
        ("/v1/batch", b"[]", {}, 400, "invalid_request"),
        ("/v1/batch", {"batch": [{}] * 2501}, {}, 413, "request_too_large"),
        ("/v1/batch", b"x" * 512_001, {}, 413, "request_too_large"),
        ("/v1/batch", gzip.compress(b" " * 5_000_000), {"Content-Encoding": "gzip"}, 413, "request_too_large"),
        ("/v1/batch", b"{}", {"Content-Encoding": "gzip"}, 400, "malformed_encoding"),
        ("/v1/batch", b"{}", {"Content-Encoding": "br"}, 415, "unsupported_media_type"),
        ("/v1/batch", b"{}", {"Content-Type": "text/html"}, 415, "unsupported_media_type"),
        ("/v1/track", event(properties={"query": "x" * 40_000}), {}, 400, "event_too_large"),
        ("/v1/batch", {"batch": []}, {"Authorization": "Basic ???"}, 400, "invalid_request"),
        ("/v1/batch", {"batch": []}, {"Authorization": basic("unknown")}, 401, "unknown_key"),
        ("/v1/dance", event(), {}, 404, "not_found"),
        ("/nowhere", {}, {}, 404, "not_found"),
        ("/healthz", {}, {}, 405, "method_not_allowed"),
    ],
)
async def test_a_faulty_request_is_refused_whole(
    gateway: Gateway, path: str, body: Any, headers: dict[str, str], status: int, code: str
) -> None:
    answered, answer = await gateway.post(path, body, headers=headers)
    assert (answered, answer["code"]) == (status, code)
    assert answer["message"]
    assert await gateway.logged() == []


async def test_a_body_without_a_stated_length_is_cut_off_at_the_limit(gateway: Gateway) -> None:
    async def endless() -> Any:
        for _ in range(1_000):
            yield b" " * 10_000

    headers = {"Authorization": basic(gateway.tenant.write_key), "Content-Type": "application/json"}
    async with gateway.http.post(gateway.url + "/v1/batch", data=endless(), headers=headers) as response:
        assert response.status == 413


@pytest.mark.parametrize("content_type", ["application/json", "text/plain;charset=UTF-8", "", "application/vnd.x+json"])
async def test_browsers_content_types_are_taken(gateway: Gateway, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    skip = () if content_type else ("Content-Type",)
    body = json.dumps({"batch": [event()], "writeKey": gateway.tenant.write_key})
    async with gateway.http.post(
        gateway.url + "/v1/b", data=body.encode(), headers=headers, skip_auto_headers=skip
    ) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("path", "call_type"),
    [
        ("track", CallType.TRACK),
        ("t", CallType.TRACK),
        ("identify", CallType.IDENTIFY),
        ("i", CallType.IDENTIFY),
        ("page", CallType.PAGE),
        ("p", CallType.PAGE),
        ("screen", CallType.SCREEN),
        ("s", CallType.SCREEN),
        ("group", CallType.GROUP),
        ("g", CallType.GROUP),
        ("alias", CallType.ALIAS),
        ("a", CallType.ALIAS),
    ],
)
async def test_every_single_call_has_its_path(gateway: Gateway, path: str, call_type: CallType) -> None:
    call = event(type="ignored", userId="u1", groupId="g1", previousId="p1", name="Home")
    status, answer = await gateway.post(f"/v1/{path}", call)
    assert (status, answer["counts"]) == (200, {"accepted": 1})
    assert [each.type for each in await gateway.logged()] == [call_type]


async def test_a_pixel_is_an_image_with_the_status_of_any_other_call(gateway: Gateway) -> None:
    call = base64.urlsafe_b64encode(
        msgspec.json.encode({**event(messageId="segment"), "writeKey": gateway.tenant.write_key})
    )
    flat = {
        "writeKey": gateway.tenant.write_key,
        "anonymousId": "visitor-1",
        "event": "product_view",
        "messageId": "rudderstack",
        "properties": json.dumps({"product_id": "p1"}),
        "context": json.dumps({"consent": {"categoryPreferences": GRANTED}}),
    }
    for status, path, query in [
        (200, "/v1/pixel/track", {"data": call.decode().rstrip("=")}),
        (200, "/pixel/v1/track", flat),
        (400, "/pixel/v1/track", {"data": "%%%"}),
        (404, "/pixel/v1/dance", flat),
        (400, "/pixel/v1/track", {**flat, "context": "{"}),
        (401, "/pixel/v1/track", {**flat, "writeKey": "nobody"}),
    ]:
        async with gateway.http.get(gateway.url + path, params=query) as response:
            assert (response.status, response.content_type) == (status, "image/gif")
    assert [each.message_id for each in await gateway.logged()] == ["segment", "rudderstack"]


async def test_a_pixel_may_hold_half_a_character(gateway: Gateway) -> None:
    query = {
        "writeKey": gateway.tenant.write_key,
        "anonymousId": "visitor-1",
        "event": "product_view",
        "properties": json.dumps({"product_id": "p\ud83d"}),
        "context": json.dumps({"consent": {"categoryPreferences": GRANTED}}),
    }
    async with gateway.http.get(gateway.url + "/pixel/v1/track", params=query) as response:
        assert response.status == 200
    assert [each.properties for each in await gateway.logged()] == [{"product_id": "p\ufffd"}]


async def test_pixels_are_bounded_as_every_call_is(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    pixel = {"writeKey": gateway.tenant.write_key, "anonymousId": "visitor-1", "event": "product_view"}

    async def ask() -> tuple[int, str | None, bytes]:
        async with gateway.http.get(gateway.url + "/pixel/v1/track", params=pixel) as response:
            return response.status, response.headers.get("Retry-After"), (await response.read())[:3]

    monkeypatch.setattr(gateway.resources.limit, "_pace", Pace(1, 1))
    assert await ask() == (200, None, b"GIF")
    assert await ask() == (429, "1", b"GIF")
    monkeypatch.setattr(gateway.resources.intake, "_most", 0)
    refused = counted(gateway, "tagway_failures_total", code="too_many_requests")
    assert await ask() == (429, "1", b"GIF")
    assert counted(gateway, "tagway_failures_total", code="too_many_requests") == refused + 1
    monkeypatch.setattr(gateway.resources.intake, "_stopping", True)
    assert await ask() == (503, "1", b"GIF")


async def test_a_call_without_a_message_id_gets_one(gateway: Gateway) -> None:
    (result,) = await gateway.batch(event(messageId=None))
    assert result["outcome"] == "accepted"
    assert [each.message_id for each in await gateway.logged()] == [result["message_id"]]


async def test_personal_data_never_reaches_the_log(gateway: Gateway) -> None:
    secrets = ["canary-user", "canary@shop.example", "+4915112345678", "canary-visitor", "203.0.113.77"]
    user, mail, phone, visitor, address = secrets
    who: dict[str, Any] = {"userId": user, "anonymousId": visitor}
    traits = {"email": mail, "phone": phone, "plan": "gold"}
    results = await gateway.batch(
        event(type="identify", traits=traits, context={"ip": address, "traits": traits}, **who),
        event("search", properties={"query": f"write to {mail}"}, **who),
        event(f"mail {mail}", **who),
    )
    assert [result["outcome"] for result in results] == ["accepted"] * 3
    logged = b"".join(await gateway.log_values())
    assert not [secret for secret in secrets if secret.encode() in logged]
    assert b'"plan":"gold"' in logged


async def test_a_raw_address_belongs_to_the_subject_of_its_digest(gateway: Gateway) -> None:
    address = "jane.doe+shop@gmail.com"
    hashed = digest_for(Platform.GOOGLE, AliasKind.EMAIL, address)
    for email in (hashed, address):
        await gateway.batch(event(type="identify", anonymousId=f"of {email}", traits={"email": email}))
    first, second = await gateway.logged()
    assert second.subject == first.subject
    assert second.aliases[0] == first.aliases[0]
    # As Google, as Meta and UID2 hash it, and as hashed under the host's other name.
    assert [alias.kind for alias in second.aliases] == ["email", "email", "email", "anonymous_id"]


async def test_fields_that_the_plan_does_not_name_are_dropped_by_name(gateway: Gateway) -> None:
    (result,) = await gateway.batch(event(properties={"product_id": "p1", "shoe_size_secret": 43}))
    assert result["dropped"] == ["properties.shoe_size_secret"]
    assert b"shoe_size_secret" not in b"".join(await gateway.log_values())


async def test_an_answer_names_fields_and_never_values(gateway: Gateway) -> None:
    hostile = "canary@shop.example"
    results = await gateway.batch(
        event(type=hostile),
        event(timestamp=hostile),
        event(properties={"price": hostile}),
        event(traits=hostile),
        {**event(), "context": hostile},
    )
    assert {result["outcome"] for result in results} == {"invalid"}
    assert hostile not in json.dumps(results)


async def test_workspaces_never_see_each_other(gateway: Gateway) -> None:
    other = await make_tenant(gateway.database_url, "other")
    await gateway.batch(event(userId="u1"))
    await gateway.batch(event(userId="u1"), key=other.write_key)
    (ours,), (theirs,) = await gateway.logged(), await gateway.logged(other.workspace)
    assert ours.subject != theirs.subject
    assert not {alias.index for alias in ours.aliases} & {alias.index for alias in theirs.aliases}
    async with gateway.resources.database.workspace(other.workspace) as connection:
        assert await connection.fetchval("SELECT array_agg(id) FROM subject") == [theirs.subject]
        assert await connection.fetchval("SELECT array_agg(id) FROM workspace") == [other.workspace]


async def test_requests_at_once_meet_each_new_person_once(gateway: Gateway) -> None:
    async def visit(number: int) -> None:
        async with aiohttp.ClientSession() as http:
            one = Gateway(gateway.url, gateway.tenant, gateway.database_url, http, gateway.resources)
            await one.batch(*(event(anonymousId=f"visitor-{each}", messageId=f"{number}-{each}") for each in range(10)))

    await asyncio.gather(*(visit(number) for number in range(8)))
    logged = await gateway.logged()
    assert len(logged) == 80
    assert len({each.subject for each in logged}) == 10
    stored = await gateway.sql("SELECT count(*) FROM subject WHERE workspace_id = $1", gateway.tenant.workspace)
    assert [row["count"] for row in stored] == [10]
