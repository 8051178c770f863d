from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.likeness import Likeness, compare, dice, fields_told_by, filters_of, values_of
from privacy.resemblance import alike

KEY = bytes(32)
ANN: dict[str, Any] = {"name": "Ann-Marie Müller", "birthday": "1980-02-29", "address": {"postalCode": "SW1A 1AA"}}


def filters(key: bytes = KEY, **traits: Any) -> dict[str, bytes]:
    return filters_of(values_of(traits, traits), key)


def test_values_have_one_form_however_they_are_written() -> None:
    form = {"name": "ann marie muller", "birth_date": "19800229", "postcode": "SW1A1AA"}
    assert values_of(ANN, ANN) == form
    other = {"lastName": "MULLER", "firstName": "Ann Marie", "birth_date": "1980-02-29T00:00:00Z", "zip": "sw1a-1aa"}
    assert values_of(other, other) == form
    assert values_of({"birthday": 320_630_400, "name": 7, "zip": True}, ANN | {"zip": 1}) == {"birth_date": "19800229"}


def test_what_the_plan_does_not_allow_is_left_out() -> None:
    assert values_of(ANN, {"name"}) == {"name": "ann marie muller"}


@pytest.mark.parametrize(
    ("changes", "least", "most"),
    [
        ({}, 1, 1),
        ({"name": "Ann-Marie Mueller"}, 0.85, 0.99),
        ({"name": "Anne-Marie Müller", "birthday": "1980-02-28"}, 0.85, 0.97),
        ({"name": "Bob Jones"}, 0.5, 0.65),
        ({"name": "Bob Jones", "birthday": "1955-11-17", "address": {"zip": "70173"}}, 0, 0.35),
    ],
)
def test_the_more_alike_the_closer_to_one(changes: dict[str, Any], least: float, most: float) -> None:
    found = compare(filters(**ANN), filters(**{**ANN, **changes}))
    assert found is not None
    assert least <= found.score <= most


def test_a_name_alone_is_no_likeness() -> None:
    assert compare(filters(name="Ann"), filters(name="Ann")) is None
    assert compare(filters(birthday="1980-02-29", zip="70173"), filters(birthday="1980-02-29", zip="70173")) is None


def test_another_workspace_has_other_filters() -> None:
    mine, other = filters(**ANN)["name"], filters(bytes(31) + b"1", **ANN)["name"]
    assert len(mine) == 128
    assert dice(mine, other) < 0.5


@given(st.text(min_size=1), st.text(min_size=1))
def test_dice_is_one_for_equals_alone_and_the_same_both_ways(one: str, other: str) -> None:
    left, right = (filters_of({"name": text}, KEY)["name"] for text in (one, other))
    assert dice(left, left) == (1 if one.split() else 0)
    assert dice(left, right) == dice(right, left) <= 1


def test_an_import_tells_which_of_its_rows_are_alike() -> None:
    rows = [
        ANN,
        {"name": "Bob Jones", "birthday": "1980-02-29"},
        {"firstName": "Anne Marie", "lastName": "Muller", "birthday": "1980-02-29"},
        {"name": "Ann-Marie Müller", "birthday": "1955-11-17"},
        {"name": "Bob Jnoes", "birthday": "1980-02-29", "zip": "70173"},
    ]
    found = list(alike(rows, 0.8))
    assert [pair[:2] for pair in found] == [(0, 2), (1, 4)]
    assert all(isinstance(likeness, Likeness) and likeness.fields["birth_date"] == 1 for *_, likeness in found)


def test_traits_tell_of_the_fields_that_are_made_of_them() -> None:
    assert fields_told_by(["plan", "firstName", "address"]) == {"name", "postcode"}
    assert fields_told_by(["date_of_birth"]) == {"birth_date"}
    assert fields_told_by(["email"]) == frozenset()
