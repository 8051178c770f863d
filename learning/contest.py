"""Rankers side by side on the same people: popularity first, the bar that a model must clear to be worth its cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from domain.errors import Refused
from learning import likeness
from learning.fitting import Parts, Report, fit_parts, popularity, starting_recipe, tune
from learning.holdout import Case, Holdout, Scorer, last_fifth_out, last_out, without_newest
from learning.interactions import Interactions, strengths
from learning.likeness import LARGEST_FOR_EASE
from learning.measures import Interval, Marks, Quality, interval, judge, quality
from learning.model import Recipe
from learning.scoring import blend, shares

WITHHELD: Final = 5
"""How many of the newest items a stale history lacks."""

_FOLDS: Final = 5


class Row(msgspec.Struct, frozen=True):
    """One ranker's line of the table; the gains over popularity are paired, person by person."""

    ranker: str
    quality: Quality
    hit_gain: Interval
    ndcg_gain: Interval


class Contest(msgspec.Struct, frozen=True):
    """One protocol's table."""

    protocol: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    name: str
    marks: Marks


def contests(interactions: Interactions, report: Report, *, seed: int = 0, most: int | None = 5_000) -> list[Contest]:
    """Run every protocol on one data set: the last item, the last fifth, and people whom training has not met.

    At most `most` people are judged by. Numbers for the blend are tuned on the training part only. Raises `Refused`
    where nobody can be judged by.
    """
    last = last_out(interactions, most=most, seed=seed)
    if not last.cases:
        raise Refused("nobody wanted two items or more: there is nobody to judge by")
    now = float(interactions.at.max())
    recipe = tune(last.training, starting_recipe(interactions, seed), now, report)
    recipe = msgspec.structs.replace(recipe, half_life_days=None)
    fifth = last_fifth_out(interactions, most=most, seed=seed)
    return [
        _contest("each person's last item", last, _with_stale(last, recipe, report), report),
        _contest("each person's last fifth", fifth, _rankers(fifth.training, recipe, report), report),
        _strangers(last, recipe, report, seed),
    ]


def _contest(
    protocol: str, holdout: Holdout, rankers: Iterator[tuple[str, Scorer, tuple[Case, ...] | None]], report: Report
) -> Contest:
    judged = []
    for name, scorer, cases in rankers:
        marks = judge(cases or holdout.cases, scorer, lambda share, name=name: report(f"judging {name}", share))  # type: ignore[misc]  # a default pins the loop's name
        judged.append(_Judged(name, marks))
    return Contest(protocol, tuple(_row(each, judged[0].marks, holdout.training) for each in judged))


def _row(judged: _Judged, bar: Marks, training: Interactions) -> Row:
    return Row(
        judged.name,
        quality(judged.marks, training),
        interval(judged.marks.hit - bar.hit),
        interval(judged.marks.ndcg - bar.ndcg),
    )


def _rankers(
    training: Interactions, recipe: Recipe, report: Report
) -> Iterator[tuple[str, Scorer, tuple[Case, ...] | None]]:
    """Make every ranker, the bar first and what is served last."""
    popular = popularity(training)
    yield "popularity", lambda _history: popular, None
    near = likeness.cosine(training, recipe.neighbours, lambda share: report("cosine", share))
    yield "item cosine", lambda history: near.scores(history.items, shares(history, None)), None
    half_life = recipe.blend.half_life or 4.0
    yield "item cosine, newest first", lambda history: near.scores(history.items, shares(history, half_life)), None
    parts = fit_parts(training, recipe, 0.0, report)
    if training.item_count <= LARGEST_FOR_EASE:
        yield "EASE", lambda history: parts.neighbours.scores(history.items, shares(history, None)), None
        yield (
            "EASE, newest first",
            lambda history: parts.neighbours.scores(history.items, shares(history, half_life)),
            None,
        )
    yield (
        "SVD on seen and unseen",
        lambda history: parts.factors.scores(history.items, strengths(history.weights)),
        None,
    )
    yield "served: the blend", _blended(parts, recipe), None


def _with_stale(
    holdout: Holdout, recipe: Recipe, report: Report
) -> Iterator[tuple[str, Scorer, tuple[Case, ...] | None]]:
    """Add what the blend is worth when the newest items have not arrived."""
    scorer: Scorer | None = None
    for name, scorer, cases in _rankers(holdout.training, recipe, report):
        yield name, scorer, cases
    if scorer is not None:
        yield f"the blend without the newest {WITHHELD}", scorer, without_newest(holdout.cases, WITHHELD)


def _strangers(holdout: Holdout, recipe: Recipe, report: Report, seed: int) -> Contest:
    """Judge each person by a model that was trained without them."""
    training = holdout.training
    fold_of = np.random.default_rng(seed).integers(_FOLDS, size=training.people_count)
    marks: dict[str, list[Marks]] = {"popularity": [], "served: the blend": []}
    for fold in range(_FOLDS):
        cases = [case for case in holdout.cases if fold_of[case.person] == fold]
        rest = training.where(fold_of[training.people] != fold)
        if not cases or not len(rest):
            continue
        popular, parts = popularity(rest), fit_parts(rest, recipe, 0.0, report)
        marks["popularity"].append(judge(cases, lambda _history, popular=popular: popular))  # type: ignore[misc]  # as above
        marks["served: the blend"].append(judge(cases, _blended(parts, recipe)))
        report("people whom training has not met", (fold + 1) / _FOLDS)
    joined = [_Judged(name, _join(each)) for name, each in marks.items()]
    return Contest("people whom training has not met", tuple(_row(each, joined[0].marks, training) for each in joined))


def _blended(parts: Parts, recipe: Recipe) -> Scorer:
    return lambda history: blend(parts.neighbours, parts.factors, history, recipe.blend)


def _join(marks: list[Marks]) -> Marks:
    if not marks:
        return judge([], lambda history: history.weights)
    parts = [[each.hit, each.ndcg, each.mrr, each.recall, each.lists] for each in marks]
    hit, ndcg, mrr, recall, lists = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Marks(hit, ndcg, mrr, recall, lists)
