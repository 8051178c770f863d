"""How good lists are: against what people wanted next, over the whole catalogue, nothing sampled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from learning.holdout import Case, Scorer
from learning.interactions import Codes, Interactions, Numbers

Progress = Callable[[float], None]
Values = NDArray[np.float64]

AT: Final = 10
"""Lists are judged by their first ten."""

_RESAMPLES: Final = 2_000
_AT_ONCE: Final = 100
_DISCOUNTS: Final = 1.0 / np.log2(np.arange(AT) + 2.0)


class Interval(msgspec.Struct, frozen=True):
    """A mean with its 95 % interval, by bootstrap over people."""

    mean: float
    low: float
    high: float


class Quality(msgspec.Struct, frozen=True):
    """What a table shows of one ranker. All but `novelty` (bits) are shares."""

    hit: Interval
    ndcg: Interval
    mrr: float
    recall: float
    coverage: float
    novelty: float
    people: int


@dataclass(frozen=True, slots=True)
class Marks:
    """One ranker's marks, a number per case, and its lists (ten codes each, filled up with -1)."""

    hit: Values
    ndcg: Values
    mrr: Values
    recall: Values
    lists: Codes


def judge(cases: Sequence[Case], scorer: Scorer, progress: Progress = lambda _share: None) -> Marks:
    """Let a ranker make everyone's list, without what they have seen, and compare it with what they wanted next."""
    count = len(cases)
    hit, ndcg, mrr, recall = (np.zeros(count) for _ in range(4))
    marks = Marks(hit, ndcg, mrr, recall, np.full((count, AT), -1, np.int32))
    for place, case in enumerate(cases):
        scores = scorer(case.history).copy()
        scores[case.seen] = -np.inf
        listed = top(scores, AT)
        marks.lists[place, : len(listed)] = listed
        _mark(marks, place, np.isin(listed, case.wanted), len(case.wanted))
        progress((place + 1) / len(cases))
    return marks


def top(scores: Numbers, first: int) -> Codes:
    """List the codes of the `first` best, best first and ties by code; items at minus infinity are left out."""
    first = min(first, len(scores))
    if first == 0:
        return np.zeros(0, np.int32)
    worst = np.partition(scores, len(scores) - first)[len(scores) - first]
    found = np.flatnonzero((scores >= worst) & np.isfinite(scores))
    ordered: Codes = found[np.argsort(-scores[found], kind="stable")][:first].astype(np.int32)
    return ordered


def interval(values: Values, seed: int = 0) -> Interval:
    """Give the mean of some people's marks with its 95 % interval: 2,000 resamples of the people."""
    if not len(values):
        return Interval(0.0, 0.0, 0.0)
    random = np.random.default_rng(seed)
    means = np.concatenate(
        [
            values[random.integers(len(values), size=(_AT_ONCE, len(values)))].mean(axis=1)
            for _ in range(_RESAMPLES // _AT_ONCE)
        ]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def quality(marks: Marks, training: Interactions) -> Quality:
    """Sum one ranker up."""
    listed = marks.lists[marks.lists >= 0]
    shown = len(np.unique(listed))
    people = max(len(np.unique(training.people)), 1)
    share = np.maximum(np.bincount(training.items, minlength=training.item_count), 0.5) / people
    return Quality(
        hit=interval(marks.hit),
        ndcg=interval(marks.ndcg),
        mrr=_mean(marks.mrr),
        recall=_mean(marks.recall),
        coverage=shown / max(training.item_count, 1),
        novelty=_mean(-np.log2(share[listed])),
        people=len(marks.hit),
    )


def _mark(marks: Marks, place: int, right: NDArray[np.bool_], wanted: int) -> None:
    if not right.any() or not wanted:
        return
    marks.hit[place] = 1.0
    marks.ndcg[place] = (right * _DISCOUNTS[: len(right)]).sum() / _DISCOUNTS[: min(wanted, AT)].sum()
    marks.mrr[place] = 1.0 / (int(right.argmax()) + 1)
    marks.recall[place] = right.sum() / wanted


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else 0.0
