"""From interactions to a model: what is fitted, in which order, and by which numbers it listens."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from learning import likeness, svd
from learning.baskets import bought_together
from learning.factors import Factors
from learning.holdout import Case, last_out
from learning.interactions import Interactions, Numbers, strengths
from learning.likeness import LARGEST_FOR_EASE
from learning.measures import AT
from learning.model import Model, Recipe
from learning.neighbours import Neighbours
from learning.scoring import Blend, shares, standardised

Report = Callable[[str, float], None]
"""Told what is being done, and the share of it that is done, 0 to 1."""

_PENALTIES: Final = (100.0, 800.0)
_HALF_LIVES: Final = (None, 1.0, 2.0, 4.0, 8.0, 16.0)
_VOTES: Final = (1.0, 0.9, 0.8, 0.6, 0.3, 0.0)
_TUNED_BY: Final = 1_000
_TUNED_ON: Final = 300_000
"""Interactions; more of them would not move the numbers, only take their time."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The two trained parts that vote."""

    neighbours: Neighbours
    factors: Factors


def starting_recipe(interactions: Interactions, seed: int = 0) -> Recipe:
    """Choose the kind of neighbours by the size of the catalogue."""
    return Recipe(kind="ease" if interactions.item_count <= LARGEST_FOR_EASE else "cosine", seed=seed)


def fit_parts(interactions: Interactions, recipe: Recipe, now: float, report: Report) -> Parts:
    """Fit neighbours and factors on interactions that fade until `now`."""
    faded = interactions.decayed(now, recipe.half_life_days)
    near = fit_neighbours(faded, recipe, report)
    return Parts(near, _fit_factors(interactions, recipe, report))


def fit_neighbours(faded: Interactions, recipe: Recipe, report: Report) -> Neighbours:
    """Fit the neighbours of a recipe on interactions that have faded already."""
    if recipe.kind == "ease":
        return likeness.ease(faded, recipe.neighbours, recipe.penalty, lambda share: report("neighbours", share))
    return likeness.cosine(faded, recipe.neighbours, lambda share: report("neighbours", share))


def tune(interactions: Interactions, recipe: Recipe, now: float, report: Report) -> Recipe:
    """Find the penalty, half-life and vote that rank best what people wanted last, by NDCG@10."""
    interactions = _some_people(interactions, recipe.seed)
    holdout = last_out(interactions, most=_TUNED_BY, seed=recipe.seed)
    if not holdout.cases:
        return recipe
    faded = holdout.training.decayed(now, recipe.half_life_days)
    fitted = _fit_factors(holdout.training, recipe, report)
    best, chosen = -1.0, recipe
    for penalty in _PENALTIES if recipe.kind == "ease" else (recipe.penalty,):
        tried = msgspec.structs.replace(recipe, penalty=penalty)
        near = fit_neighbours(faded, tried, report)
        marks = _tries(holdout.cases, Parts(near, fitted), report)
        place = int(marks.argmax())
        if marks.ravel()[place] > best:
            best = float(marks.ravel()[place])
            half_life, vote = divmod(place, len(_VOTES))
            blend = Blend(half_life=_HALF_LIVES[half_life], neighbours=_VOTES[vote])
            chosen = msgspec.structs.replace(tried, blend=blend)
    return chosen


def fit_model(
    interactions: Interactions, orders: Iterable[Iterable[int]], recipe: Recipe, now: float, report: Report
) -> Model:
    """Fit everything that serving needs on all there is."""
    parts = fit_parts(interactions, recipe, now, report)
    return Model(
        recipe=recipe,
        item_ids=interactions.item_ids,
        neighbours=parts.neighbours,
        factors=parts.factors,
        together=bought_together(orders, interactions.item_count),
        popularity=popularity(interactions.decayed(now, recipe.half_life_days)),
    )


def popularity(interactions: Interactions) -> Numbers:
    """Sum what everyone said about each item, flattened: the bar that every model must clear."""
    said = np.bincount(interactions.items, strengths(interactions.weights), interactions.item_count)
    return said.astype(np.float32)


def _fit_factors(interactions: Interactions, recipe: Recipe, report: Report) -> Factors:
    return svd.fit(
        interactions,
        factors=recipe.factors,
        epochs=recipe.epochs,
        seed=recipe.seed,
        progress=lambda share: report("factors", share),
    )


def _some_people(interactions: Interactions, seed: int) -> Interactions:
    """Keep all of some people, so that about `_TUNED_ON` interactions are left."""
    if len(interactions) <= _TUNED_ON:
        return interactions
    chosen = np.random.default_rng(seed).random(interactions.people_count) < _TUNED_ON / len(interactions)
    return interactions.where(chosen[interactions.people])


def _tries(cases: Sequence[Case], parts: Parts, report: Report) -> Numbers:
    """Give the mean NDCG@10 of each half-life and vote, as an array of half-lives by votes."""
    sums = np.zeros((len(_HALF_LIVES), len(_VOTES)), np.float32)
    for done, case in enumerate(cases):
        history, target = case.history, int(case.wanted[-1])
        second = standardised(parts.factors.scores(history.items, strengths(history.weights)))
        for row, half_life in enumerate(_HALF_LIVES):
            first = standardised(parts.neighbours.scores(history.items, shares(history, half_life)))
            for column, vote in enumerate(_VOTES):
                scores = vote * first + (1 - vote) * second
                before = int((scores > scores[target]).sum() - (scores[case.seen] > scores[target]).sum())
                sums[row, column] += 1 / np.log2(before + 2) if before < AT else 0
        report("listening", (done + 1) / len(cases))
    return (sums / len(cases)).astype(np.float32)
