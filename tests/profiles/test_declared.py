"""Declared traits come out the same in whatever order events arrive."""

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.consent import Purpose
from domain.errors import Refused
from domain.event import CallType, ProtectedEvent
from profiles.declared import Declared, Trait, read_definition
from tests.fixtures.world import NOON

BOUGHT = {"event": "purchase"}


def event(
    name: str, minute: int = 0, *, source: str = "", session: str = "", traits: Any = None, **properties: Any
) -> ProtectedEvent:
    context: dict[str, Any] = {"library": {"name": source}} if source else {}
    if session:
        context["sessionId"] = session
    return ProtectedEvent(
        workspace=UUID(int=1),
        message_id=f"{name} {minute} {sorted(properties.items())} {source} {session}",
        subject=UUID(int=2),
        type=CallType.TRACK if traits is None else CallType.IDENTIFY,
        name=name,
        at=NOON + timedelta(minutes=minute),
        received_at=NOON + timedelta(days=1),
        aliases=(),
        purposes=(Purpose.ANALYTICS,),
        properties=properties,
        traits=traits or {},
        context=context,
    )


def folded(definition: dict[str, Any], *events: ProtectedEvent) -> dict[str, Any]:
    declared = Declared([Trait("it", 1, read_definition(definition))])
    traits: dict[str, dict[str, Any]] = {}
    for each in events:
        declared.fold(traits, each)
    return {name: statement["v"] for name, statement in traits.items()}


PURCHASES = (
    event("purchase", 3, value=19.99, sku="b"),
    event("purchase", 1, value=0.01, sku="a"),
    event("purchase", 2, value=30, sku="a", gift=True),
    event("purchase", 5, sku="c"),
    event("view", 4, sku="z"),
    event("view", 6, sku="z"),
)


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        ({"kind": "pick", "property": "sku", **BOUGHT}, "c"),
        ({"kind": "pick", "property": "sku", "keep": "first", **BOUGHT}, "a"),
        ({"kind": "pick", "property": "value", **BOUGHT}, 19.99),
        ({"kind": "count", **BOUGHT}, 4),
        ({"kind": "count", "where": [{"property": "gift", "op": "==", "value": True}], **BOUGHT}, 1),
        ({"kind": "amount", "property": "value", "fold": "sum", **BOUGHT}, 50),
        ({"kind": "amount", "property": "value", "fold": "min", **BOUGHT}, 0.01),
        ({"kind": "amount", "property": "value", "fold": "max", **BOUGHT}, 30),
        ({"kind": "distinct", "property": "sku", **BOUGHT}, 3),
        ({"kind": "most_frequent", "property": "sku", **BOUGHT}, "a"),
        ({"kind": "ratio", "over": "view", **BOUGHT}, 2.0),
    ],
)
def test_each_kind_in_any_order(definition: dict[str, Any], value: object) -> None:
    for seed in range(10):
        shuffled = random.Random(seed).sample(PURCHASES, len(PURCHASES))
        assert folded(definition, *shuffled) == {"it": value}


def test_recency_frequency_and_monetary_value() -> None:
    found = folded({"kind": "rfm", "property": "value", **BOUGHT}, *PURCHASES)
    last = int((NOON + timedelta(minutes=5)).timestamp())
    assert found.pop("it") == {"last_at": last, "frequency": 4, "monetary": 50}
    assert found == {"it.last_at": last, "it.frequency": 4, "it.monetary": 50}


def test_the_newest_session_with_its_length_and_depth() -> None:
    events = [
        event("view", minute, session=name) for minute, name in ((1, "a"), (9, "a"), (4, "b"), (5, "b"), (2, "a"))
    ]
    for seed in range(10):
        found = folded({"kind": "session"}, *random.Random(seed).sample(events, len(events)))
        assert found["it"] == {"id": "a", "length": 480.0, "depth": 3}
        assert (found["it.id"], found["it.length"], found["it.depth"]) == ("a", 480.0, 3)


def test_of_contradicting_sources_the_one_that_was_declared_first_wins() -> None:
    said = [
        event("identify", 1, source="crm", traits={"plan": "gold"}),
        event("identify", 2, source="crm", traits={"plan": "silver"}),
        event("identify", 3, source="shop", traits={"plan": "free"}),
        event("identify", 4, source="tag", traits={"plan": "trial", "age": 7}),
        event("identify", 5, source="tag", traits={"age": 8}),
    ]
    for seed in range(10):
        mixed = random.Random(seed).sample(said, len(said))
        stated = {"kind": "stated", "trait": "plan"}
        assert folded({**stated, "sources": ["crm", "shop"]}, *mixed) == {"it": "silver"}
        assert folded({**stated, "sources": ["shop", "crm"]}, *mixed) == {"it": "free"}
        assert folded({**stated, "sources": ["crm"], "keep": "first"}, *mixed) == {"it": "gold"}
        assert folded(stated, *mixed) == {"it": "trial"}


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=600), st.randoms())
def test_different_values_are_counted_exactly_while_they_are_few_and_nearly_after(
    values: list[int], chance: random.Random
) -> None:
    definition = {"kind": "distinct", "event": "view", "property": "sku"}
    found = folded(definition, *(event("view", sku=value) for value in values))["it"]
    many = len(set(values))
    assert found == many if many < 256 else abs(found - many) < many / 4
    chance.shuffle(values)
    assert folded(definition, *(event("view", sku=value) for value in values))["it"] == found


@pytest.mark.parametrize(
    ("definition", "place"),
    [
        ({"kind": "guess"}, "kind"),
        ({"kind": "count"}, "event"),
        ({"kind": "amount", "fold": "mean", "property": "x", **BOUGHT}, "fold"),
        ({"kind": "count", "where": [{"property": "x", "op": "like"}], **BOUGHT}, "where"),
        ({"kind": "count", "window": "7d", **BOUGHT}, "window"),
    ],
)
def test_a_mistake_is_answered_with_its_place(definition: dict[str, Any], place: str) -> None:
    with pytest.raises(Refused, match=place):
        read_definition(definition)
