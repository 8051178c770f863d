from typing import Any

import pytest

from domain.clock import utc_now
from domain.consent import Consent, Purpose, State
from privacy.plan import Plan, read_plan
from privacy.visibility import refused_purposes, shown_properties, shown_traits

ADS, STATS, WORK = Purpose.ADVERTISING, Purpose.ANALYTICS, Purpose.FUNCTIONAL


@pytest.fixture(scope="module")
def plan() -> Plan:
    text: dict[str, Any] = {"kind": "plain"}
    return read_plan(
        {
            "version": 1,
            "default": {"purposes": ["analytics"]},
            "fields": {
                "price": text,
                "ad": {**text, "purposes": ["advertising"]},
                "id": {**text, "purposes": ["necessary"]},
                "items": {
                    **text,
                    "type": "array",
                    "fields": {"sku": text, "bid": {**text, "purposes": ["advertising"]}},
                },
            },
            "traits": {"plan": {**text, "purposes": ["functional", "analytics"]}, "age": text},
            "events": {
                "buy": {"purposes": ["analytics", "advertising"]},
                "identify": {"purposes": ["functional"]},
                "group": {"purposes": ["analytics"]},
            },
        }
    )


@pytest.mark.parametrize(
    ("refused", "shown"),
    [
        (set(), {"plan", "age", "group.age", "old"}),
        ({STATS}, {"plan", "age", "old"}),
        ({WORK}, {"plan", "group.age"}),
        ({WORK, STATS}, set()),
        ({ADS}, {"plan", "age", "group.age", "old"}),
    ],
)
def test_trait_is_shown_while_not_all_its_purposes_are_refused(
    plan: Plan, refused: set[Purpose], shown: set[str]
) -> None:
    traits = {"plan": "gold", "age": 3, "group.age": 10, "old": 1}
    assert shown_traits(plan, traits, frozenset(refused)) == {name: traits[name] for name in shown}


def test_property_is_judged_by_what_was_granted_for_it(plan: Plan) -> None:
    properties = {"price": 1, "ad": "x", "id": "o-1", "items": [{"sku": "a", "bid": 2}]}

    def shown(granted: set[Purpose], refused: set[Purpose]) -> dict[str, Any]:
        return shown_properties(plan, "buy", properties, frozenset(granted), frozenset(refused))

    assert shown({STATS, ADS}, set()) == properties
    assert shown({STATS, ADS}, {ADS}) == {"price": 1, "id": "o-1", "items": [{"sku": "a"}]}
    assert shown({STATS}, {STATS}) == {"ad": "x", "id": "o-1"}
    assert shown({STATS, ADS}, {STATS, ADS}) == {"id": "o-1"}


def test_what_was_not_granted_in_the_end_is_refused() -> None:
    words = {ADS: State.GRANTED, STATS: State.DENIED, WORK: State.WITHDRAWN}
    consents = [Consent(purpose, state, "banner", utc_now()) for purpose, state in words.items()]
    assert refused_purposes(consents) == {STATS, WORK}
