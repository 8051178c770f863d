import time

import pytest
from graphql import get_operation_ast, parse

from resolvers.limits import MOST_ALIASES, MOST_LEVELS, MOST_OBJECTS, MOST_REPEATS, Weight, faults_of_shape
from resolvers.schema import build_schema

_SCHEMA = build_schema()._schema


def _faults(document: str) -> list[str]:
    return [error.message for error in faults_of_shape(parse(document))]


def _weight(document: str, **variables: object) -> int:
    parsed = parse(document)
    operation = get_operation_ast(parsed)
    assert operation
    return Weight(_SCHEMA, parsed, variables).of(operation)


def _nested(levels: int) -> str:
    return "{ profile " + "{ a " * (levels - 2) + "{ b }" + "}" * (levels - 1)


def test_depth_is_counted_through_fragments() -> None:
    assert _faults(_nested(MOST_LEVELS)) == []
    assert _faults(_nested(MOST_LEVELS + 1)) == [f"At most {MOST_LEVELS} levels are allowed."]
    inner = "{ a " * 6 + "{ b }" + "}" * 6
    document = (
        f"{{ x {{ ...F }} }} fragment F on Query {{ y {{ ... on Query {{ ...G }} }} }} fragment G on Query {inner}"
    )
    assert _faults(document) == []
    assert len(_faults(document.replace("{ b }", "{ b { c { d { e { f } } } } }"))) == 1


def test_aliases_are_counted_once_per_use() -> None:
    document = "{ ...F ...F ...F } fragment F on Query { " + " ".join(f"a{n}: viewer" for n in range(10)) + " }"
    assert _faults(document) == []
    assert _faults(document.replace("{ ...F", "{ b: viewer ...F")) == [f"At most {MOST_ALIASES} aliases are allowed."]


def test_introspection_is_not_too_deep() -> None:
    assert _faults("{ __schema " + "{ a " * 20 + "}" * 20 + "}") == []


@pytest.mark.parametrize("spread", ["...F{next} ...F{next}", "a{n}: x {{ ...F{next} ...F{next} }}"])
def test_doubling_fragments_cost_nothing(spread: str) -> None:
    fragments = [f"fragment F{n} on Query {{ {spread.format(n=n, next=n + 1)} }}" for n in range(150)]
    document = " ".join(["{ ...F0 }", *fragments, "fragment F150 on Query { viewer { workspace } }"])
    began = time.process_time()
    _faults(document)
    assert time.process_time() - began < 5  # one that doubled them would not end


def test_circles_end() -> None:
    assert _faults("{ ...F } fragment F on Query { x { ...G } } fragment G on Query { y { ...F } }") == []
    assert _faults("{ ...Unknown }") == []


@pytest.mark.parametrize("field", ["viewer { workspace }", "... { viewer { workspace } }"])
def test_the_same_field_is_said_a_few_times_only(field: str) -> None:
    assert _faults("{" + f" {field}" * MOST_REPEATS + "}") == []
    [fault] = _faults("{" + f" {field}" * (MOST_REPEATS + 1) + "}")
    assert "same field" in fault
    assert _faults("{ x {" + f" {field}" * (MOST_REPEATS + 1) + "} }") == [fault]


def test_weight_multiplies_pages() -> None:
    assert _weight("{ viewer { workspace } }") == 1
    assert _weight("{ profiles { nodes { id } } }") == 20 * 2
    assert _weight("{ profiles(first: 3) { nodes { id } } }") == 3 * 2
    assert _weight("query ($n: Int!) { profiles(first: $n) { nodes { id } } }", n=7) == 7 * 2
    assert _weight("query ($n: Int! = 9) { profiles(first: $n) { nodes { id } } }") == 9 * 2
    assert _weight("{ profiles(first: 2) { nodes { events(first: 5) { nodes { id } } } } }") == 2 * (1 + 1 + 5 * 2)
    assert _weight("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=["a", "b"]) == 2
    assert _weight("{ ...F } fragment F on Query { viewer { workspace } ... { viewer { endUser } } }") == 2
    deep = (
        "{ segments(first: 100) { nodes { members(first: 100) { nodes { events(first: 100) { nodes { id } } } } } } }"
    )
    assert _weight(deep) > MOST_OBJECTS
