import numpy as np
import pytest

from learning.holdout import Case
from learning.interactions import History
from learning.measures import interval, judge, top


def case(*wanted: int, seen: tuple[int, ...] = ()) -> Case:
    nothing = History(np.zeros(0, np.int32), np.zeros(0, np.float32))
    return Case(0, nothing, np.array(seen, np.int32), np.array(wanted, np.int32))


def scores(*best: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    made = np.zeros(40, np.float32)
    made[list(best)] = np.arange(len(best), 0, -1)
    return made


def test_marks_are_those_of_the_textbook() -> None:
    marks = judge([case(7), case(3, 5), case(39)], lambda _history: scores(1, 7, 3))
    assert marks.hit.tolist() == [1, 1, 0]
    assert marks.mrr.tolist() == pytest.approx([1 / 2, 1 / 3, 0])
    assert marks.ndcg.tolist() == pytest.approx([1 / np.log2(3), (1 / 2 + 1 / np.log2(8)) / (1 + 1 / np.log2(3)), 0])
    assert marks.recall.tolist() == [1, 1, 0]


def test_what_was_seen_is_not_listed_again() -> None:
    marks = judge([case(2, seen=(1, 7))], lambda _history: scores(1, 7, 2))
    assert marks.lists[0][0] == 2
    assert not set(marks.lists[0]) & {1, 7}


def test_the_best_come_first_and_ties_by_code() -> None:
    assert top(np.array([1, 3, 3, 2, -np.inf], np.float32), 3).tolist() == [1, 2, 3]
    assert top(np.array([-np.inf, 1], np.float32), 5).tolist() == [1]
    assert top(np.zeros(0, np.float32), 5).tolist() == []


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        found = interval((random.random(300) < 0.2).astype(np.float64))
        covered += found.low <= 0.2 <= found.high
    assert 180 <= covered <= 199
