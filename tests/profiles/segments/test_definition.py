from typing import Any

import pytest

from domain.errors import Refused
from domain.segment import And, Count, Not, Or, Trait, Where
from profiles.segments.definition import MAX_DEPTH, MAX_LEAVES, parse_definition

VIEWS: dict[str, Any] = {"type": "count", "event": "view", "op": ">=", "n": 3, "window": "24h"}
GOLD: dict[str, Any] = {"type": "trait", "name": "plan", "op": "==", "value": "gold"}


def test_every_kind_of_node_is_read() -> None:
    where = {"property": "price", "op": ">", "value": 10}
    raw = {
        "type": "and",
        "children": [{**VIEWS, "where": [where]}, {"type": "or", "children": [GOLD]}, {"type": "not", "child": GOLD}],
    }
    gold = Trait("plan", "==", "gold")
    views = Count("view", ">=", 3, "24h", (Where("price", ">", 10),))
    assert parse_definition(raw) == And((views, Or((gold,)), Not(gold)))


def test_exists_asks_for_presence_unless_told_otherwise() -> None:
    assert parse_definition({"type": "trait", "name": "plan", "op": "exists"}) == Trait("plan", "exists", value=True)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ([], "definition: must be an object"),
        ({}, 'type: must be one of "count", "sum", "distinct"'),
        ({"type": "and", "children": []}, "children: must not be empty"),
        (
            {"type": "and", "children": [GOLD, {**VIEWS, "window": "24x"}]},
            'children[1].window: "24x" is not a duration',
        ),
        ({**VIEWS, "window": "0h"}, 'window: "0h" is not a duration'),
        ({**VIEWS, "window": "401d"}, "window: may be at most 400 days"),
        ({**VIEWS, "n": 1001}, "n: must be a whole number from 0 to 1000"),
        ({**VIEWS, "n": True}, "n: must be a whole number from 0 to 1000"),
        ({**VIEWS, "op": "in"}, "op: must be one of ==, !=, >, >=, <, <="),
        ({**VIEWS, "evnt": 1}, "evnt: is not known here"),
        ({**VIEWS, "event": ""}, "event: must be a text of 1 to 200 characters"),
        ({**VIEWS, "where": [{"property": "a", "op": "in", "value": 1}]}, "where[0].value: must be a list"),
        ({**VIEWS, "where": [{"type": "x", "property": "a", "op": "=="}]}, "where[0].type: is not known here"),
        ({**GOLD, "op": ">", "value": True}, "value: must be a number or a text"),
        ({**GOLD, "value": {}}, "value: must be a text"),
        ({"type": "trait", "name": "plan", "op": "=="}, "value: must be a text"),
        ({"type": "not", "child": {"type": "not", "child": 1}}, "child.child: must be an object"),
        ({"type": "or", "children": [GOLD] * (MAX_LEAVES + 1)}, f"children: must be a list of at most {MAX_LEAVES}"),
        (
            {"type": "or", "children": [{"type": "or", "children": [GOLD] * 26}] * 2},
            f"children[1].children[24]: a segment may have at most {MAX_LEAVES} conditions",
        ),
    ],
)
def test_a_refusal_names_the_place(raw: Any, problem: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_definition(raw)
    assert refused.value.code == "invalid_definition"
    assert (refused.value.detail or "").startswith(problem)


def test_depth_is_bounded() -> None:
    raw = GOLD
    for _ in range(MAX_DEPTH - 1):
        raw = {"type": "not", "child": raw}
    parse_definition(raw)
    with pytest.raises(Refused, match=f"may be nested at most {MAX_DEPTH} deep"):
        parse_definition({"type": "not", "child": raw})
