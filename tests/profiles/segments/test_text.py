"""Definitions in words, in JSON and in the published schema are the same definitions."""

import random
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from domain.segment import And, Count, Distinct, InSegment, Not, Or, Trait, Where
from profiles.segments.definition import parse_definition
from profiles.segments.schema import definition_schema
from profiles.segments.templates import TEMPLATES, as_json
from profiles.segments.text import as_text
from profiles.segments.words import parse_text
from tests.profiles.segments.chance import definition

PUBLISHED = Path(__file__).parents[3] / "docs" / "segment.schema.json"
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
VALUES = st.one_of(NAMES, st.integers(-5, 10**9), st.floats(-1e9, 1e9), st.booleans(), st.none())


@given(st.integers(0, 10**9))
def test_what_is_written_in_words_is_read_as_the_same(seed: int) -> None:
    node = parse_definition(definition(random.Random(seed), ["vip", "not", "a b"]))
    assert parse_text(as_text(node)) == node
    assert parse_definition(as_json(node)) == node


@given(NAMES, NAMES, VALUES, st.lists(VALUES, max_size=3))
def test_any_name_and_value_survives_words(name: str, other: str, value: Any, items: list[Any]) -> None:
    where = (Where(other, "==", value), Where(name, "in", items), Where(name, "exists", value=False))
    node = And((Count(name, "!=", 3, "2w", where, None), Or((Trait(other, "contains", value),)), Not(InSegment(name))))
    assert parse_text(as_text(node)) == node


def test_words_are_what_one_would_say() -> None:
    text = (
        'count(purchase where value > 100 and "for whom" == "me") in 30d >= 1 and not (segment staff or trait a exists)'
    )
    assert as_text(parse_text(text)) == text
    assert parse_text("distinct(sku of view)  in 1d>2\n") == Distinct("view", "sku", ">", 2, "1d")
    text = "sequence(view, cart where sku == step 1 sku) within 1h in 7d"
    assert as_text(parse_text(text)) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "column 1: expected a condition, not the end"),
        ("count(view) within 3d > 1", 'column 13: expected "in", not "within"'),
        ("trait a == 1 and", "column 17: expected a condition, not the end"),
        ("trait a == 1 trait", 'column 14: expected "and", "or" or the end, not "trait"'),
        ("count(view) in 500d > 1", "column 1: may be at most 400 days"),
        (
            "trait a == 1 and (segment b or count(view) in 1d > 5000)",
            "column 32: must be a whole number from 0 to 1000",
        ),
        ("sequence(a, b where x == step 2 y) within 1h in 1d", "column 21: must be a whole number from 1 to 1"),
        ("count(in) in 1d > 1", "column 7: expected a name (a keyword must be quoted)"),
        ("trait a == ?", 'column 12: "?" means nothing here'),
        ('trait a == "\\x"', "column 12: expected a value as in JSON"),
        ("(" * 80, "column 51: expected fewer brackets"),
    ],
)
def test_a_mistake_is_told_by_its_column(text: str, problem: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_text(text)
    assert (refused.value.detail or "").startswith(problem)


def test_the_published_schema_is_this_one() -> None:
    assert msgspec.json.decode(PUBLISHED.read_bytes()) == definition_schema()


@given(st.integers(0, 10**9))
def test_the_schema_takes_what_is_valid(seed: int) -> None:
    raw = definition(random.Random(seed), ["vip"])
    validator = jsonschema_rs.validator_for(definition_schema())
    validator.validate(raw)
    validator.validate(as_json(parse_definition(raw)))
    assert not validator.is_valid({**raw, "surprise": 1})


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.key)
def test_templates_are_definitions(template: Any) -> None:
    assert parse_definition(template.document) == template.definition
    assert as_text(template.definition) == template.text
