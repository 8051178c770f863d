"""How well ratings are foretold, by k-fold: the protocol that Surprise's own table is made by."""

from collections.abc import Callable, Collection
from typing import Final

import msgspec
import numpy as np
from surprise import SVD, BaselineOnly, Dataset, KNNBaseline, NormalPredictor, Reader
from surprise.model_selection import KFold

from domain.errors import Refused
from learning.measures import Interval, interval
from learning.table import Table

Report = Callable[[str, float], None]

_LARGEST_FOR_NEIGHBOURS: Final = 3_000
"""People; Surprise's neighbours keep a number for each two of them."""


class RatingRow(msgspec.Struct, frozen=True):
    """One rating model's errors, in the unit of the ratings, with intervals over the held-out ratings."""

    model: str
    rmse: Interval
    mae: Interval


def rating_errors(
    table: Table, report: Report, *, folds: int = 5, seed: int = 0, only: Collection[str] = ()
) -> list[RatingRow]:
    """Hold out each fold once and pool the errors; of all models, or of those named by `only`.

    A low error does not make a good ranking: see the other tables. Raises `Refused` for fewer ratings than folds.
    """
    if len(table.ratings) < folds:
        raise Refused(f"{len(table.ratings)} ratings are too few for {folds} folds")
    low, high = float(table.ratings.min()), float(table.ratings.max())
    data = Dataset(Reader(rating_scale=(low, high)))
    values = table.ratings.tolist()
    data.raw_ratings = [(*row, None) for row in zip(table.people, table.items, values, strict=True)]
    makers = {
        "a random rating": NormalPredictor,
        "baseline of person and item": lambda: BaselineOnly(verbose=False),
        "SVD": lambda: SVD(random_state=seed),
        "SVD, 100 factors, 40 epochs": lambda: SVD(
            n_factors=100, n_epochs=40, lr_all=0.01, reg_all=0.1, random_state=seed
        ),
    }
    if len(set(table.people)) <= _LARGEST_FOR_NEIGHBOURS:
        makers["neighbours with baseline"] = lambda: KNNBaseline(verbose=False)
    makers = {name: make for name, make in makers.items() if not only or name in only}
    errors: dict[str, list[float]] = {name: [] for name in makers}
    parts = list(KFold(n_splits=folds, random_state=seed).split(data))
    np.random.seed(seed)  # noqa: NPY002 - the generator that Surprise's random predictor draws from
    for fold, (training, testing) in enumerate(parts):
        for done, (name, make) in enumerate(makers.items()):
            predictions = make().fit(training).test(testing)
            errors[name] += [foretold.est - foretold.r_ui for foretold in predictions]
            report("rating models", (fold + (done + 1) / len(makers)) / folds)
    return [_row(name, np.array(each)) for name, each in errors.items()]


def _row(name: str, errors: np.ndarray[tuple[int], np.dtype[np.float64]]) -> RatingRow:
    squared = interval(errors**2)
    rmse = Interval(*(float(np.sqrt(each)) for each in (squared.mean, squared.low, squared.high)))
    return RatingRow(name, rmse, interval(np.abs(errors)))
