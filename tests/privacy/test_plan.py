from typing import Any

import pytest

from domain.consent import Purpose
from domain.errors import Refused
from privacy.plan import Egress, Kind, default_document, read_plan

PLAIN = {"kind": "plain"}


def document(**parts: Any) -> dict[str, Any]:
    return {"version": 1, "mode": "flag", **parts}


def test_default_plan_covers_the_events_of_a_shop() -> None:
    plan = read_plan(default_document())
    shop = "page_view product_view add_to_cart checkout_start purchase search scroll_depth video_progress"
    assert set(shop.split()) <= set(plan.events)
    assert plan.traits["email"].kind is Kind.EMAIL
    assert plan.traits["email"].egress_forms == {Egress.HASHED, Egress.TOKEN}
    assert plan.traits["name"].sealed
    assert plan.context["ip"].kind is Kind.IP
    assert plan.default.purposes == {Purpose.ANALYTICS}


def test_default_plan_seals_every_field_that_names_a_person() -> None:
    plan = read_plan(default_document())
    personal = "email phone firstName lastName name username address birthday gender avatar"
    assert all(plan.traits[name].sealed for name in personal.split())


def test_plan_without_context_takes_the_default_one() -> None:
    assert read_plan(document()).context == read_plan(default_document()).context


def test_nested_fields_are_read() -> None:
    items = {"kind": "plain", "type": "array", "fields": {"sku": {"kind": "id"}}}
    plan = read_plan(document(fields={"products": items}))
    assert plan.fields["products"].fields["sku"].kind is Kind.ID


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ([], "plan"),
        ({"version": 2}, "plan"),
        (document(surprise=1), "plan"),
        (document(mode="lenient"), "plan"),
        (document(fields={"a": {}}), "fields.a: "),
        (document(fields={"a": 1}), "fields.a: "),
        (document(fields=[PLAIN]), "plan"),
        (document(fields={"a": {"kind": "secret"}}), "fields.a: "),
        (document(fields={"a": {**PLAIN, "purposes": ["fun"]}}), "fields.a: "),
        (document(fields={"a": {**PLAIN, "purposes": []}}), "fields.a.purposes: "),
        (document(fields={"a": {**PLAIN, "retention_days": 0}}), "fields.a: "),
        (document(fields={"a": {**PLAIN, "type": "object"}}), "fields.a: "),
        (document(fields={"a": {**PLAIN, "fields": {"b": PLAIN}}}), "fields.a.fields: "),
        (document(fields={"a": {"kind": "free_text", "type": "number"}}), "fields.a.type: "),
        (document(fields={"a": {**PLAIN, "type": "array", "fields": {"b": {"kind": "email"}}}}), "fields.a.fields.b: "),
        (document(fields={"a": {**PLAIN, "egress": "open"}}), "fields.a: "),
        (document(fields={"a": {**PLAIN, "allow": ["q"]}}), "fields.a.allow: "),
        (document(fields={"a": {"kind": "url", "allow": ["*"]}}), "fields.a.allow: "),
        (document(events={"e": {"purposes": []}}), "events.e.purposes: "),
        (document(events={"e": {}}), "events.e: "),
        (document(events={"e": 1}), "events.e: "),
        (document(events={"e": {"purposes": ["necessary"]}}), "events.e.purposes: "),
        (document(events={"e": {"purposes": ["analytics"], "required": ["x"]}}), "events.e.required: "),
        (
            document(events={"e": {"purposes": ["analytics"], "fields": {"a": {**PLAIN, "purposes": ["functional"]}}}}),
            "events.e.fields.a.purposes: ",
        ),
        (document(context={"ip": PLAIN}), "context.ip: "),
        (document(context={"userAgent": PLAIN}), "context.userAgent: "),
    ],
)
def test_wrong_document_is_refused_with_its_place(wrong: object, place: str) -> None:
    with pytest.raises(Refused) as refusal:
        read_plan(wrong)
    assert refusal.value.code == "invalid_request"
    assert refusal.value.detail is not None
    assert refusal.value.detail.startswith(place)


@pytest.mark.parametrize(
    ("egress", "forms"),
    [
        ("none", set()),
        ("token", {Egress.TOKEN}),
        (["hashed", "token", "none"], {Egress.HASHED, Egress.TOKEN}),
        ([], set()),
    ],
)
def test_a_field_may_leave_in_several_forms(egress: object, forms: set[Egress]) -> None:
    assert read_plan(document(fields={"a": {**PLAIN, "egress": egress}})).fields["a"].egress_forms == forms


def test_fields_nested_too_deep_are_refused() -> None:
    field: dict[str, Any] = PLAIN
    for _ in range(5):
        field = {"kind": "plain", "type": "object", "fields": {"a": field}}
    with pytest.raises(Refused, match="deep"):
        read_plan(document(fields={"a": field}))
