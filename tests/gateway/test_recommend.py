from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.clock import utc_now
from tests.fixtures.gateway import Gateway


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
async def test_the_popular_items_are_served_and_said_to_be_just_that(
    gateway: Gateway, path: str, body: dict[str, Any]
) -> None:
    for _ in range(2):
        await wanted(gateway, "product_view", "lamp")
    await wanted(gateway, "purchase", "chair")
    await wanted(gateway, "purchase", "rug", days_ago=8)
    status, answer = await ask(gateway, path, body)
    assert status == 200
    assert [item["product_id"] for item in answer["recommendations"]] == ["chair", "lamp"]
    assert (answer["strategy"], answer["personalized"]) == ("popular", False)
    assert "popular" in answer["message"]


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
