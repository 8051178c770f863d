from typing import Any

import pytest

from domain.consent import Purpose
from domain.errors import Refused
from privacy.compiled import CompiledPlan
from privacy.fields import Place, ResolvedField, resolved_fields
from privacy.plan import Basis, default_document, read_plan
from tests.privacy.conftest import MakeCall


def fields_of(**parts: Any) -> dict[tuple[str | None, str], ResolvedField]:
    plan = read_plan({"version": 1, "mode": "flag", "context": {}, **parts})
    return {(field.event, field.path): field for field in resolved_fields(plan)}


def test_no_field_of_the_default_plan_lacks_purpose_basis_retention_or_recipient() -> None:
    document = default_document()
    assert {"bases", "recipients", "retention_days"} <= document.keys()
    plan = read_plan(document)
    fields = resolved_fields(plan)
    named = {field.path for field in fields}
    assert {"traits.email", "properties.products.sku", "context.page.url", "properties.view_time"} <= named
    for field in fields:
        assert field.uses, field.path
        assert all(use.retention_days > 0 for use in field.uses), field.path
        assert field.bases, field.path
        assert field.recipients, field.path
        assert {use.purpose for use in field.uses} == set(field.purposes), field.path


def test_what_a_field_leaves_open_comes_from_what_is_around_it() -> None:
    fields = fields_of(
        retention_days=100,
        recipients=["controller"],
        bases={"analytics": "consent", "functional": "contract", "personalization": "consent"},
        default={"purposes": ["analytics"]},
        fields={
            "a": {"kind": "plain"},
            "o": {
                "kind": "plain",
                "type": "object",
                "retention_days": 30,
                "recipients": ["bank"],
                "fields": {"b": {"kind": "id", "purposes": ["functional"]}},
            },
        },
        events={
            "buy": {
                "purposes": ["functional"],
                "retention_days": 200,
                "bases": {"functional": "legal_obligation"},
                "fields": {"total": {"kind": "plain"}},
            }
        },
    )
    anywhere = fields[None, "properties.a"]
    assert (anywhere.place, anywhere.purposes) == (Place.PROPERTIES, (Purpose.ANALYTICS, Purpose.FUNCTIONAL))
    assert (anywhere.bases, anywhere.retention_days) == ((Basis.CONSENT, Basis.CONTRACT), 200)
    nested = fields[None, "properties.o.b"]
    assert (nested.retention_days, nested.recipients) == (30, ("bank",))
    assert nested.bases == (Basis.CONTRACT,)
    own = fields["buy", "properties.total"]
    assert (own.retention_days, own.bases, own.recipients) == (200, (Basis.LEGAL_OBLIGATION,), ("controller",))


def test_retention_by_purpose_shortens_each_use_by_itself() -> None:
    fields = fields_of(
        retention_days=300,
        retention_by_purpose={"advertising": 90},
        fields={"a": {"kind": "plain", "purposes": ["analytics", "advertising"]}},
    )
    field = fields[None, "properties.a"]
    assert {use.purpose: use.retention_days for use in field.uses} == {
        Purpose.ANALYTICS: 300,
        Purpose.ADVERTISING: 90,
    }
    assert field.retention_days == 300


def test_purpose_without_a_basis_is_no_purpose(make_call: MakeCall) -> None:
    event = {"purposes": ["analytics", "advertising"]}
    document = {"version": 1, "bases": {"analytics": "consent"}, "events": {"view": event}}
    assert CompiledPlan(read_plan(document)).purposes_of(make_call("view")) == {Purpose.ANALYTICS}
    with pytest.raises(Refused, match=r"events.view.purposes: none of them has a basis"):
        read_plan(document | {"events": {"view": {"purposes": ["advertising"]}}})


@pytest.mark.parametrize(
    "wrong",
    [
        {"bases": {"fun": "consent"}},
        {"bases": {"analytics": "whim"}},
        {"recipients": []},
        {"recipients": [""]},
        {"retention_by_purpose": {"fun": 3}},
        {"retention_by_purpose": {"analytics": 0}},
        {"fields": {f"f{number}": {"kind": "plain"} for number in range(2001)}},
    ],
)
def test_annotation_that_says_nothing_usable_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"^plan: "):
        read_plan({"version": 1, **wrong})
