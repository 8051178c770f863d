"""What a row says, as an identify event."""

from typing import Any

import pytest

from domain.errors import Refused
from gateway.people.columns import Columns, InvalidRow, message_id
from privacy.plan import default_document, read_plan

PLAN = read_plan(default_document())


def event(row: dict[str, Any], **named: str) -> dict[str, Any]:
    return Columns(PLAN, "crm", named).event(row)


def test_columns_are_ids_consent_ids_of_others_and_traits() -> None:
    row = {
        "user_id": "u1",
        "email": "ann@example.com",
        "loyalty_id": "L1",
        "birth_date": "1980-02-29",
        "postcode": "70173",
        "age": "46",
        "newsletter": "no",
        "interests": '["tea"]',
        "external.crm": "C1",
        "consent.analytics": "yes",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    assert event(row) == {
        "type": "identify",
        "userId": "u1",
        "timestamp": "2026-01-01T00:00:00Z",
        "traits": {
            "email": "ann@example.com",
            "loyalty_id": "L1",
            "birthday": "1980-02-29",
            "address": {"postcode": "70173"},
            "age": 46,
            "newsletter": False,
            "interests": ["tea"],
        },
        "context": {
            "library": {"name": "crm"},
            "consent": {"categoryPreferences": {"analytics": True}},
            "externalIds": [{"type": "crm", "id": "C1"}],
        },
    }


def test_columns_are_what_they_are_said_to_be() -> None:
    made = event(
        {"E-Mail": "a@b.example", "Town": "Ulm", "Note": "x"}, **{"E-Mail": "email", "Town": "address.city"}, Note=""
    )
    assert made["traits"] == {"email": "a@b.example", "address": {"city": "Ulm"}}
    with pytest.raises(Refused):
        Columns(PLAN, "crm", {"Town": "address."})


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"age": "secret"}, "traits.age: must be integer"),
        ({"newsletter": "secret"}, "traits.newsletter: must be boolean"),
        ({"interests": "secret"}, "traits.interests: must be array"),
        ({"consent.analytics": "secret"}, "consent.analytics: must be yes or no"),
        ({"consent": "secret"}, "consent: must be yes or no"),
        ({"external.crm": ["secret"]}, "external.crm: must be a text"),
        ({"address": "secret", "address.city": "secret"}, "traits.address: is given as a whole"),
    ],
)
def test_a_mistake_names_its_field_and_no_value(row: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRow) as raised:
        event(row)
    assert str(raised.value).startswith(said)
    assert "secret" not in str(raised.value)


def test_the_same_row_has_the_same_id_under_the_same_key_alone() -> None:
    one, other = event({"user_id": "u1", "plan": "gold"}), event({"plan": "gold", "user_id": "u1"})
    assert message_id(one, [], bytes(32)) == message_id(other, [], bytes(32))
    others = [
        message_id(event({"user_id": "u1"}), [], bytes(32)),
        message_id(one, ["analytics"], bytes(32)),
        message_id(one, [], bytes(31) + b"1"),
    ]
    assert message_id(one, [], bytes(32)) not in others
