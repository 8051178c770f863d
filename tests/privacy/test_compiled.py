from typing import Any

import pytest

from domain.consent import Purpose
from domain.event import CallType
from privacy.compiled import CompiledPlan
from privacy.plan import read_plan
from privacy.signals.sources import NAMES as CONSENT_FIELDS
from tests.privacy.conftest import MakeCall

CANARY = "canary-4711"


def compiled(**parts: Any) -> CompiledPlan:
    return CompiledPlan(read_plan({"version": 1, "mode": "flag", **parts}))


def test_good_call_has_no_problems(plan: CompiledPlan, make_call: MakeCall) -> None:
    properties = {"product_id": 7, "category": "lamps", "view_time": 1.5, "price": None, "products": [{"sku": "a"}]}
    assert plan.problems(make_call(properties=properties)) == ()


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ({"product_id": "a", "price": CANARY}, "properties.price: must be number"),
        ({"product_id": [CANARY]}, "properties.product_id: must be integer or string"),
        ({"product_id": "a", "products": [{"price": CANARY}]}, "properties.products[0].price: must be number"),
        ({"product_id": "a", "products": [CANARY]}, "properties.products[0]: must be object"),
        ({"product_id": None}, "properties.product_id: must be integer or string"),
        ({CANARY: CANARY}, "properties.product_id: is required"),
    ],
)
def test_problem_names_the_field_and_the_rule_but_never_the_value(
    plan: CompiledPlan, make_call: MakeCall, properties: dict[str, Any], problem: str
) -> None:
    problems = plan.problems(make_call(properties=properties))
    assert problems == (problem,)
    assert CANARY not in str(problems)


def test_traits_are_checked(plan: CompiledPlan, identify: MakeCall) -> None:
    assert plan.problems(identify(traits={"age": CANARY})) == ("traits.age: must be integer",)
    assert plan.problems(identify(traits={"age": 35, "location": "NY", "actions": ["viewed"]})) == ()


def test_required_value_of_any_type_may_not_be_null(make_call: MakeCall) -> None:
    event = {"purposes": ["analytics"], "fields": {"a": {"kind": "plain", "type": "any"}}, "required": ["a"]}
    plan = compiled(events={"e": event})
    assert plan.problems(make_call("e", properties={"a": 1})) == ()
    assert plan.problems(make_call("e", properties={"a": None})) == ("properties.a: breaks the rule 'not'",)


def test_problems_are_bounded(plan: CompiledPlan, make_call: MakeCall) -> None:
    assert len(plan.problems(make_call(properties={"products": [1] * 1000}))) == 5


def test_deep_nesting_is_a_problem_not_a_crash(plan: CompiledPlan, make_call: MakeCall) -> None:
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    plan.problems(make_call(properties={"product_id": "a", "unplanned": deep}))
    problems = plan.problems(make_call(properties={"product_id": "a", "price": deep}))
    assert len(problems) == 1


def test_unknown_event_is_flagged_or_refused(make_call: MakeCall) -> None:
    call = make_call("mystery " + CANARY)
    assert compiled().problems(call) == ()
    assert compiled().purposes_of(call) == {Purpose.ANALYTICS}
    assert compiled(mode="drop").problems(call) == ("event: the tracking plan does not name it",)


def test_mode_drop_asks_only_tracked_events_to_be_named(identify: MakeCall) -> None:
    assert compiled(mode="drop").problems(identify(traits={})) == ()


def test_calls_are_known_by_their_type(plan: CompiledPlan, make_call: MakeCall) -> None:
    page = make_call("Pricing", kind=CallType.PAGE)
    assert plan.purposes_of(page) == {Purpose.ANALYTICS, Purpose.PERSONALIZATION}


def test_programs_are_compiled_once_per_event_and_purposes(plan: CompiledPlan, make_call: MakeCall) -> None:
    granted = frozenset({Purpose.ANALYTICS})
    first = plan.program(make_call("unknown one"), granted)
    assert plan.program(make_call("unknown two"), frozenset({Purpose.ANALYTICS})) is first
    assert plan.program(make_call("product_view"), granted) is not first


def test_raw_signals_of_consent_are_not_kept_even_if_a_plan_names_them(make_call: MakeCall) -> None:
    field = {"kind": "plain", "type": "any"}
    event = {"purposes": ["analytics"], "fields": {}}
    plan = compiled(events={"e": event}, context=dict.fromkeys((*CONSENT_FIELDS, "locale"), field))
    assert set(plan.program(make_call("e"), frozenset({Purpose.ANALYTICS})).context) == {"locale"}
