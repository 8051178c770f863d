from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.item import Interaction
from learning.interactions import HEAVIEST, Interactions, fold, history_of
from learning.weights import weight_of

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
CODES = {"lamp": 0, "chair": 1, "rug": 2}


def folded(*rows: tuple[int, int, float, float]) -> Interactions:
    people, items, weights, at = zip(*rows, strict=True)
    return fold(
        np.array(people, np.int32), np.array(items, np.int32), np.array(weights, np.float32), np.array(at), list(CODES)
    )


def events(*wanted: str, rating: float | None = None) -> list[Interaction]:
    """Events as `item:name`, the newest first."""
    pairs = [each.split(":") for each in wanted]
    return [Interaction(item, name, NOON, rating) for item, name in pairs]


def test_a_persons_rows_stand_in_the_order_of_their_newest_wish() -> None:
    found = folded((0, 0, 1, 10), (1, 2, 1, 5), (0, 1, 1, 20), (0, 0, 3, 30))
    assert found.people.tolist() == [0, 0, 1]
    assert found.items.tolist() == [1, 0, 2]
    assert found.weights.tolist() == [1, 4, 1]
    assert found.at.tolist() == [20, 30, 5]
    assert found.starts.tolist() == [0, 2, 3]


def test_what_was_put_back_or_refunded_is_not_wanted() -> None:
    assert folded((0, 0, 3, 1), (0, 0, -3, 2), (0, 1, 5, 3)).items.tolist() == [1]
    history = history_of(events("lamp:refund", "chair:product_view", "lamp:purchase"), CODES)
    assert history.items.tolist() == [1]


def test_a_removal_moves_nothing_to_the_front() -> None:
    found = folded((0, 0, 5, 1), (0, 1, 1, 2), (0, 0, -3, 3))
    assert found.items.tolist() == [0, 1]
    history = history_of(events("lamp:remove_from_cart", "chair:product_view", "lamp:purchase"), CODES)
    assert (history.items.tolist(), history.weights.tolist()) == ([1, 0], [1, 2])


def test_a_history_knows_each_item_once_and_only_those_with_a_code() -> None:
    history = history_of(events("lamp:product_view", "lost:purchase", "lamp:add_to_cart", "rug:search"), CODES)
    assert (history.items.tolist(), history.weights.tolist()) == ([0], [4])


@pytest.mark.parametrize(("rating", "weight"), [(5, 3), (4, 3), (3, 1), (2, -1), (None, 1)])
def test_a_rating_says_how_much(rating: float | None, weight: float) -> None:
    assert weight_of("product_rated", rating) == weight
    assert weight_of("purchase", rating) == 5


def test_weights_fade_by_half_in_their_half_life() -> None:
    found = folded((0, 0, 4, 0), (1, 0, 4, 86_400)).decayed(86_400, 1)
    assert found.weights.tolist() == [2, 4]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([1.0, 3.0, 5.0, -3.0])), min_size=1))
def test_folding_keeps_the_sum_of_every_pair(rows: list[tuple[int, int, float]]) -> None:
    found = folded(*((person, item, weight, float(at)) for at, (person, item, weight) in enumerate(rows)))
    expected: dict[tuple[int, int], float] = {}
    for person, item, weight in rows:
        expected[person, item] = expected.get((person, item), 0) + weight
    expected = {pair: min(total, HEAVIEST) for pair, total in expected.items() if total > 0}
    pairs = zip(found.people.tolist(), found.items.tolist(), strict=True)
    assert dict(zip(pairs, found.weights.tolist(), strict=True)) == expected
    assert all(np.diff(found.people) >= 0)
