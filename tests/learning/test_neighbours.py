import numpy as np
import pytest

from learning.interactions import Interactions, fold
from learning.likeness import cosine, ease
from learning.neighbours import Neighbours


def dense(near: Neighbours) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    found = np.zeros((len(near.items), len(near.items)))
    for row in range(len(near.items)):
        np.add.at(found[row], near.items[row], near.weights[row])
    return found


def matrix(shop: Interactions) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    full = np.zeros((shop.people_count, shop.item_count))
    full[shop.people, shop.items] = 1
    return full


def test_cosine_is_that_of_the_full_matrix(shop: Interactions) -> None:
    full = matrix(shop)
    lengths = np.linalg.norm(full, axis=0)
    expected = np.divide(
        full.T @ full, np.outer(lengths, lengths), where=np.outer(lengths, lengths) > 0, out=np.zeros((21, 21))
    )
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(dense(cosine(shop, 50)), expected, atol=1e-5)


def test_ease_solves_what_it_is_defined_by(shop: Interactions) -> None:
    full = matrix(shop)
    weights = dense(ease(shop, 50, 10.0))
    residual = full.T @ (full - full @ weights) - 10.0 * weights
    np.fill_diagonal(residual, 0)
    np.testing.assert_allclose(residual, 0, atol=1e-3)
    assert not np.diag(weights).any()


def test_each_item_keeps_its_strongest(shop: Interactions) -> None:
    all_, few = dense(cosine(shop, 50)), cosine(shop, 3)
    assert few.weights.shape == (21, 3)
    for row in range(21):
        assert sorted(few.weights[row]) == pytest.approx(sorted(all_[row])[-3:], abs=1e-6)


def test_memory_is_kept_from_robots_that_saw_everything() -> None:
    people = np.zeros(700, np.int32)
    seen = fold(people, np.arange(700, dtype=np.int32), np.ones(700, np.float32), np.arange(700.0), ["x"] * 700)
    near = cosine(seen, 5)
    assert not near.weights[:200].any()
    assert near.weights[200:].all()


def test_the_reason_is_the_item_that_speaks_loudest(shop: Interactions) -> None:
    near = cosine(shop, 20)
    history = np.array([3, 14], np.int32)
    both = np.array([4, 15], np.int32)
    assert near.loudest(both, history, np.ones(2, np.float32)) == [3, 14]
    assert near.loudest(both, history[1:], np.ones(1, np.float32)) == [None, 14]
    assert near.loudest(both, history[:0], np.ones(0, np.float32)) == [None, None]
