"""Whether a model may go live: it must beat popularity for certain, and must not be worse than the live one."""

from typing import Final

import msgspec
import numpy as np

from learning.fitting import Report, fit_parts, popularity, starting_recipe, tune
from learning.holdout import Scorer, last_out
from learning.interactions import History, Interactions, Numbers
from learning.measures import Interval, Quality, interval, judge, quality
from learning.model import Model, Recipe
from learning.scoring import blend

FEWEST_PEOPLE: Final = 30
"""With fewer people to judge by, nothing is certain."""

TOLERANCE: Final = 0.01
"""How far below the live model's NDCG@10 the lower bound may lie: only the new one knows the newest items."""

_JUDGED_BY: Final = 2_000


class Judgement(msgspec.Struct, frozen=True):
    """How a training was judged, on each person's last item; gains are in NDCG@10, paired, with 95 % intervals."""

    recipe: Recipe
    candidate: Quality | None
    popularity: Quality | None
    live: Quality | None
    gain_over_popularity: Interval | None
    gain_over_live: Interval | None
    passed: bool
    reason: str


def judge_candidate(
    interactions: Interactions, live: Model | None, live_through: float, now: float, report: Report, seed: int = 0
) -> Judgement:
    """Tune, fit and judge on all but everyone's last item.

    The live model has seen all that was there when it was trained, so it is compared on people who came back since.
    """
    recipe = starting_recipe(interactions, seed)
    holdout = last_out(interactions, most=_JUDGED_BY, seed=seed)
    if len(holdout.cases) < FEWEST_PEOPLE:
        reason = f"{len(holdout.cases)} people with two items or more are too few to judge by"
        return Judgement(recipe, None, None, None, None, None, passed=False, reason=reason)
    recipe = tune(holdout.training, recipe, now, report)
    parts = fit_parts(holdout.training, recipe, now, report)
    popular = popularity(holdout.training.decayed(now, recipe.half_life_days))

    def candidate(history: History) -> Numbers:
        return blend(parts.neighbours, parts.factors, history, recipe.blend)

    ours = judge(holdout.cases, candidate, lambda share: report("judging", share))
    bar = judge(holdout.cases, lambda _history: popular)
    gain = interval(ours.ndcg - bar.ndcg)
    judged = Judgement(
        recipe=recipe,
        candidate=quality(ours, holdout.training),
        popularity=quality(bar, holdout.training),
        live=None,
        gain_over_popularity=gain,
        gain_over_live=None,
        passed=gain.low > 0,
        reason="beats popularity" if gain.low > 0 else "does not beat popularity for certain",
    )
    if not judged.passed or live is None:
        return judged
    return _against_live(judged, interactions, live, live_through, candidate)


def _against_live(
    judged: Judgement, interactions: Interactions, live: Model, live_through: float, candidate: Scorer
) -> Judgement:
    since = last_out(interactions, most=_JUDGED_BY, since=live_through, seed=judged.recipe.seed)
    if len(since.cases) < FEWEST_PEOPLE:
        reason = f"beats popularity; {len(since.cases)} people came back since the live model: too few to compare"
        return msgspec.structs.replace(judged, reason=reason)
    theirs, ours = judge(since.cases, as_scorer(live, interactions.item_ids)), judge(since.cases, candidate)
    gain = interval(ours.ndcg - theirs.ndcg)
    passed = gain.low >= -TOLERANCE
    return msgspec.structs.replace(
        judged,
        live=quality(theirs, since.training),
        gain_over_live=gain,
        passed=passed,
        reason="beats popularity and holds against the live model" if passed else "may be worse than the live model",
    )


def as_scorer(model: Model, item_ids: tuple[str, ...]) -> Scorer:
    """Let a model score under other codes: items that it does not know come last."""
    theirs = {item: code for code, item in enumerate(model.item_ids)}
    to_model = np.array([theirs.get(item, -1) for item in item_ids], np.int32)
    known = to_model >= 0

    def score(history: History) -> Numbers:
        kept = to_model[history.items] >= 0
        translated = History(to_model[history.items][kept], history.weights[kept])
        scores = np.full(len(item_ids), -np.inf, np.float32)
        found = (
            blend(model.neighbours, model.factors, translated, model.recipe.blend)
            if len(translated.items)
            else model.popularity
        )
        scores[known] = found[to_model[known]]
        return scores

    return score
