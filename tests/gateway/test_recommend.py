from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from domain.clock import utc_now
from domain.consent import State
from gateway.settings import Settings
from gateway.wiring import open_resources
from tests.fixtures.gateway import Gateway, listening
from tests.fixtures.shopping import Shopping


async def wanted(gateway: Gateway, name: str, item: str, *, days_ago: float = 0) -> None:
    """Store one event about an item, as the builder would."""
    at = utc_now() - timedelta(days=days_ago)
    await gateway.sql(
        "INSERT INTO event (workspace_id, message_id, subject_id, type, name, at, received_at, properties, traits,"
        " context, sealed, purposes) VALUES ($1, $2, $3, 'track', $4, $5, $5, $6::text::jsonb, '{}', '{}', '{}', '{}')",
        gateway.tenant.workspace,
        str(uuid4()),
        uuid4(),
        name,
        at,
        f'{{"product_id": "{item}"}}',
    )


async def ask(gateway: Gateway, path: str, body: Any, key: str | None = None) -> tuple[int, Any]:
    authorization = {"Authorization": f"Bearer {key or gateway.tenant.secret_key}"}
    return await gateway.post(path, body, headers=authorization)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/recommend", {"customer_id": "12345"}),
        (
            "/api/personalized-recommendations",
            {
                "customer_id": "12345",
                "segment": "high_value",
                "context": {"page_type": "homepage", "device": "mobile"},
            },
        ),
    ],
)
async def test_a_stranger_gets_what_is_trending_and_is_told_just_that(
    gateway: Gateway, path: str, body: dict[str, Any]
) -> None:
    for _ in range(2):
        await wanted(gateway, "product_view", "lamp")
    await wanted(gateway, "purchase", "chair")
    await wanted(gateway, "purchase", "rug", days_ago=8)
    status, answer = await ask(gateway, path, body)
    assert status == 200
    assert [item["product_id"] for item in answer["recommendations"]] == ["chair", "lamp"]
    assert (answer["strategy"], answer["personalized"]) == ("trending", False)
    assert "trending" in answer["message"]
    assert UUID(answer["list_id"])


async def test_a_workspace_without_events_gets_an_empty_list(gateway: Gateway) -> None:
    assert (await ask(gateway, "/recommend", {"customer_id": 7}))[1]["recommendations"] == []


@pytest.mark.parametrize(
    ("body", "code"), [({}, "invalid_request"), ({"customer_id": ""}, "invalid_request"), (b"{", "malformed_json")]
)
async def test_a_body_that_cannot_be_read_is_refused(gateway: Gateway, body: Any, code: str) -> None:
    status, answer = await ask(gateway, "/recommend", body)
    assert (status, answer["code"]) == (400, code)


async def test_a_write_key_may_not_ask(gateway: Gateway) -> None:
    status, answer = await ask(gateway, "/recommend", {"customer_id": "1"}, gateway.tenant.write_key)
    assert (status, answer["code"]) == (403, "wrong_kind_of_key")


async def test_a_known_customer_gets_a_list_of_their_own(gateway: Gateway, shopping: Shopping) -> None:
    await shopping.crowd()
    await shopping.train()
    person = await shopping.person(State.GRANTED, user_id="12345")
    await shopping.does(person, "t1-4")
    status, answer = await ask(gateway, "/recommend", {"customer_id": 12345})
    assert status == 200
    assert (answer["strategy"], answer["personalized"], answer["model_version"]) == ("for_you", True, 1)
    assert answer["recommendations"][0]["product_id"].startswith("t1-")
    assert answer["recommendations"][0]["reason"] == "Because you viewed t1-4"
    scores = [each["score"] for each in answer["recommendations"]]
    assert scores == sorted(scores, reverse=True)
    await shopping.say(person, State.WITHDRAWN)
    assert not (await ask(gateway, "/recommend", {"customer_id": 12345}))[1]["personalized"]


async def test_a_context_is_short_names(gateway: Gateway) -> None:
    body = {"customer_id": "1", "context": {"device": "a phone of mine"}}
    status, answer = await ask(gateway, "/api/personalized-recommendations", body)
    assert (status, answer["code"]) == (400, "invalid_request")


async def test_who_has_used_up_the_points_is_told_how_long_to_wait(
    gateway: Gateway, gateway_settings: Settings
) -> None:
    stingy = msgspec.structs.replace(gateway_settings, query_points=2, query_points_per_second=1)
    headers = {"Authorization": f"Bearer {gateway.tenant.secret_key}"}
    async with (
        open_resources(stingy) as resources,
        listening(resources) as url,
        gateway.http.post(url + "/recommend", json={"customer_id": "1"}, headers=headers) as response,
    ):
        answer = await response.json()
    assert (response.status, answer["code"]) == (429, "cost_exceeded")
    assert int(response.headers["Retry-After"]) > 1
    assert f"try again in {response.headers['Retry-After']} s" in answer["message"]
