"""A shortlist is what scoring the whole catalogue gives."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from learning.factors import Factors
from learning.interactions import Codes, History, Numbers
from learning.measures import top
from learning.neighbours import Neighbours
from learning.scoring import Blend, blend, standard_of
from learning.shortlist import shortlist

ITEMS = 3_000


@cache
def parts(seed: int, reach: int) -> tuple[Neighbours, Factors]:
    """A big sparse shop: each item speaks for `reach` others, for a third of them against."""
    random = np.random.default_rng(seed)
    items = random.integers(0, ITEMS, (ITEMS, reach), dtype=np.int32)
    weights = (random.random((ITEMS, reach)) ** 3 - 0.04).astype(np.float32)
    vectors = random.normal(0, 0.1, (ITEMS, 8)).astype(np.float32)
    return Neighbours(items, weights), Factors(0.3, random.normal(0, 0.1, ITEMS).astype(np.float32), vectors)


def in_full(
    made: tuple[Neighbours, Factors], history: History, how: Blend, allowed: np.ndarray, count: int
) -> tuple[Codes, Numbers]:
    scores = blend(*made, history, how)
    scores[~allowed] = -np.inf
    codes = top(scores, count)
    return codes, scores[codes]


@settings(deadline=None)
@given(
    seed=some.integers(0, 3),
    reach=some.sampled_from([5, 60]),
    wanted=some.integers(1, 60),
    length=some.integers(1, 40),
    vote=some.sampled_from([1.0, 0.9, 0.8, 0.6, 0.3, 0.0]),
    half_life=some.sampled_from([None, 1.0, 8.0]),
    closed=some.sampled_from([0.0, 0.5, 0.99]),
)
def test_it_is_the_head_of_the_whole(
    seed: int, reach: int, wanted: int, length: int, vote: float, half_life: float | None, closed: float
) -> None:
    made, random = parts(seed, reach), np.random.default_rng(length)
    history = History(random.permutation(ITEMS)[:length].astype(np.int32), np.ones(length, np.float32))
    allowed, how = random.random(ITEMS) >= closed, Blend(half_life=half_life, neighbours=vote)
    codes, scores = shortlist(*made, history, how, allowed, wanted)
    _, expected = in_full(made, history, how, allowed, wanted)
    # Where two scores are the same to float32, either may stand first.
    np.testing.assert_allclose(scores, expected, atol=2e-5)
    np.testing.assert_allclose(blend(*made, history, how)[codes], scores, atol=2e-5)
    assert allowed[codes].all()
    assert len(set(codes.tolist())) == len(codes)


def test_most_of_the_catalogue_is_not_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    made = parts(0, 60)
    scored: list[int] = []
    usual = Factors.scores_for

    def watched(self: Factors, person: Numbers, codes: np.ndarray | None = None) -> Numbers:
        scored.append(ITEMS if codes is None else len(codes))
        return usual(self, person, codes)

    monkeypatch.setattr(Factors, "scores_for", watched)
    history = History(np.arange(20, dtype=np.int32), np.ones(20, np.float32))
    shortlist(*made, history, Blend(half_life=4.0, neighbours=0.9), np.ones(ITEMS, np.bool_), 10)
    assert 0 < sum(scored) < ITEMS / 10


def test_the_moments_tell_where_a_persons_scores_lie() -> None:
    _, factors = parts(1, 5)
    person = factors.person(np.arange(9, dtype=np.int32), np.ones(9, np.float32))
    scores, range_ = factors.scores_for(person), factors.moments.range_of(person)
    assert range_.mean == pytest.approx(scores.mean(), abs=1e-6)
    assert range_.variance == pytest.approx(scores.var(), rel=1e-4)
    assert range_.highest >= scores.max()


def test_scores_that_are_all_the_same_have_no_scale() -> None:
    assert standard_of(np.full(10, 0.3, np.float32))[1] == 0
    assert standard_of(np.arange(3, dtype=np.float32)) == pytest.approx((1.0, 1 / np.sqrt(2 / 3)))
