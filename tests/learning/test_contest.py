"""The figures that the design rests on, on MovieLens 100K."""

import pytest

from learning.contest import Contest, Row, contests
from learning.fitting import fit_parts, starting_recipe, tune
from learning.holdout import last_out
from learning.interactions import Interactions
from learning.ratings import rating_errors
from learning.table import Table

PUBLISHED = {"SVD": (0.934, 0.737), "baseline of person and item": (0.944, 0.748), "a random rating": (1.52, 1.22)}
"""RMSE and MAE in the README of Surprise 1.1.5."""


def quiet(_what: str, _share: float) -> None:
    pass


def row(table: list[Contest], protocol: str, ranker: str) -> Row:
    (found,) = (row for each in table if protocol in each.protocol for row in each.rows if row.ranker == ranker)
    return found


@pytest.mark.timeout(400)  # seconds on a quiet machine, minutes on a busy one
def test_served_lists_beat_popularity_also_for_strangers_and_need_the_newest_events(movielens: Table) -> None:
    table = contests(movielens.interactions(), quiet)
    for protocol in ("last item", "last fifth", "not met"):
        served = row(table, protocol, "served: the blend")
        assert served.ndcg_gain.low > 0
        assert served.hit_gain.low > 0
    fresh = row(table, "last item", "served: the blend").quality.hit
    stale = row(table, "last item", "the blend without the newest 5").quality.hit
    stranger = row(table, "not met", "served: the blend").quality.hit
    assert stale.mean < fresh.mean - 0.02
    assert stranger.mean > fresh.mean - 0.02
    assert row(table, "last item", "SVD on seen and unseen").hit_gain.low > 0


@pytest.mark.timeout(400)  # as above
def test_rating_models_match_the_published_table(movielens: Table) -> None:
    errors = {each.model: each for each in rating_errors(movielens, quiet, only=PUBLISHED)}
    for model, (rmse, mae) in PUBLISHED.items():
        assert abs(errors[model].rmse.mean - rmse) < 0.01
        assert abs(errors[model].mae.mean - mae) < 0.01


def test_the_numbers_of_the_blend_are_tuned_without_the_held_out_items(shop: Interactions) -> None:
    holdout = last_out(shop)
    recipe = tune(holdout.training, starting_recipe(shop), 0.0, quiet)
    assert fit_parts(holdout.training, recipe, 0.0, quiet).neighbours.items.shape[0] == shop.item_count
    assert len(holdout.training) == len(shop) - len(holdout.cases)
