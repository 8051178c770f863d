from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import to_micros
from domain.consent import Purpose
from privacy.plan import read_plan
from privacy.retention import Retention, StoredEvent
from tests.privacy.conftest import NOON

TEXT: dict[str, Any] = {"kind": "plain"}
PLAN = read_plan(
    {
        "version": 1,
        "retention_days": 300,
        "retention_by_purpose": {"advertising": 90, "sale_or_share": 10},
        "default": {"purposes": ["analytics", "advertising"]},
        "fields": {
            "query": {**TEXT, "retention_days": 30},
            "price": TEXT,
            "bid": {**TEXT, "purposes": ["advertising"]},
            "items": {**TEXT, "type": "array", "fields": {"sku": TEXT, "note": {**TEXT, "retention_days": 7}}},
        },
        "traits": {
            "email": {"kind": "email", "purposes": ["functional", "advertising"]},
            "mood": {**TEXT, "retention_days": 5},
            "firm": {**TEXT, "type": "object", "fields": {"name": TEXT, "boss": {**TEXT, "retention_days": 50}}},
        },
        "context": {"ip": {"kind": "ip", "retention_days": 3}},
        "events": {
            "identify": {"purposes": ["functional", "advertising"]},
            "group": {"purposes": ["functional"], "retention_days": 40},
            "ping": {"purposes": ["analytics"], "retention_days": 2},
        },
    }
)
RETENTION = Retention(PLAN)
BOTH = frozenset({Purpose.ANALYTICS, Purpose.ADVERTISING})


def stored(name: str = "view", purposes: frozenset[Purpose] = BOTH, **parts: Any) -> StoredEvent:
    empty: dict[str, Any] = {"properties": {}, "traits": {}, "context": {}, "sealed": {}}
    return StoredEvent(name=name, received_at=NOON, purposes=purposes, **(empty | parts))


def after(days: float, event: StoredEvent) -> StoredEvent | None:
    return RETENTION.event(event, NOON + timedelta(days=days))


def test_stages_name_every_age_at_which_something_may_go() -> None:
    assert RETENTION.stages == (2, 3, 5, 7, 10, 30, 40, 50, 90, 300)
    assert RETENTION.longest == timedelta(days=300)


@pytest.mark.parametrize(
    ("name", "purposes", "days"),
    [
        ("view", BOTH, 300),
        ("view", frozenset({Purpose.ADVERTISING}), 90),
        ("ping", BOTH, 2),
        ("view", frozenset({Purpose.NECESSARY}), 300),
    ],
)
def test_event_goes_with_the_last_purpose_that_was_granted(name: str, purposes: frozenset[Purpose], days: int) -> None:
    event = stored(name, purposes)
    assert after(days - 0.001, event) is event
    assert after(days, event) is None


def test_fields_go_before_their_event_each_at_its_time() -> None:
    event = stored(
        properties={"query": "x", "price": 1, "bid": 2, "items": [{"sku": "a", "note": "n"}]},
        context={"ip": "1.2.3.0/24", "other": 1},
        sealed={"user_id": "f", "traits.email": "f", "properties.query": "f"},
    )
    left = after(3, event)
    assert left == msgspec.structs.replace(event, context={"other": 1})
    left = after(7, event)
    assert left
    assert left.properties["items"] == [{"sku": "a"}]
    left = after(30, event)
    assert left
    assert left.properties == {"price": 1, "bid": 2, "items": [{"sku": "a"}]}
    assert left.sealed.keys() == {"user_id", "traits.email"}
    left = after(90, event)
    assert left
    assert left.properties == {"price": 1, "items": [{"sku": "a"}]}
    assert left.sealed.keys() == {"user_id"}


def test_traits_go_by_the_time_of_each_statement() -> None:
    def said(days: float, **more: Any) -> dict[str, Any]:
        return {"t": to_micros(NOON - timedelta(days=days)), "m": "m", **more}

    traits = {
        "mood": said(5, v="good"),
        "firm": said(50, v={"name": "x", "boss": "y"}),
        "email": said(90, p=["advertising"]),
        "group.firm": said(39, v={"name": "x"}),
        "forgotten": said(1, v=1),
    }
    assert RETENTION.traits(traits, NOON) == {
        "firm": said(50, v={"name": "x"}),
        "group.firm": said(39, v={"name": "x"}),
        "forgotten": said(1, v=1),
    }
    kept = {"email": said(90, p=["advertising", "functional"]), "mood": said(4.9, v="good"), "firm": said(299, v="x")}
    assert RETENTION.traits(kept, NOON) == kept
    assert RETENTION.traits({"email": said(300), "group.firm": said(40, v="x")}, NOON) == {}


@given(days=st.integers(0, 400), purposes=st.sets(st.sampled_from(list(Purpose)), min_size=1))
def test_nothing_comes_back_and_nothing_outlives_the_longest(days: int, purposes: set[Purpose]) -> None:
    event = stored(purposes=frozenset(purposes), properties={"query": 1, "price": 1, "bid": 1}, context={"ip": "x"})
    now, later = after(days, event), after(days + 1, event)
    if days >= 300:
        assert now is None
    if later is not None:
        assert now is not None
        assert later.properties.items() <= now.properties.items()
        assert later.context.items() <= now.context.items()
    stages = {0, *RETENTION.stages}
    if days + 1 not in stages:
        assert now == later
