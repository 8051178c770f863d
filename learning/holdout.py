"""What is kept back from training to judge by: each person's end, never a random part of their middle."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from learning.interactions import Codes, History, Interactions, Numbers
from learning.scoring import LONGEST_HISTORY

Scorer = Callable[[History], Numbers]
"""A person's history → a score for every item."""

_FEWEST: Final = 5


@dataclass(frozen=True, slots=True)
class Case:
    """One person to judge by: what is known of them, all they have seen, and what they wanted next."""

    person: int
    history: History
    seen: Codes
    wanted: Codes


@dataclass(frozen=True, slots=True)
class Holdout:
    """What to train on, and the people to judge by."""

    training: Interactions
    cases: tuple[Case, ...]


def last_out(
    interactions: Interactions, *, most: int | None = None, since: float | None = None, seed: int = 0
) -> Holdout:
    """Keep back each person's last item; those with a single one are trained on only.

    `most` judges by a random part of the people, `since` by those whose last item is newer. Everyone's last item is
    kept back all the same.
    """
    starts = interactions.starts
    people = np.flatnonzero(np.diff(starts) > 1)
    ends = starts[people + 1] - 1
    kept = np.ones(len(interactions), dtype=np.bool_)
    kept[ends] = False
    if since is not None:
        people = people[interactions.at[ends] > since]
    return _hold(interactions, kept, _some(people, most, seed))


def last_fifth_out(interactions: Interactions, *, seed: int = 0, most: int | None = None) -> Holdout:
    """Keep back the last fifth of each person who has at least five items."""
    starts = interactions.starts
    lengths = np.diff(starts)
    place = np.arange(len(interactions)) - starts[interactions.people]
    long_enough = lengths >= _FEWEST
    kept = ~long_enough[interactions.people] | (place < np.ceil(0.8 * lengths)[interactions.people])
    return _hold(interactions, kept, _some(np.flatnonzero(long_enough), most, seed))


def without_newest(cases: tuple[Case, ...], number: int) -> tuple[Case, ...]:
    """Make the histories of all cases as old as if the newest `number` items had not arrived yet."""
    return tuple(
        Case(case.person, History(case.history.items[number:], case.history.weights[number:]), case.seen, case.wanted)
        for case in cases
    )


def _hold(interactions: Interactions, kept: NDArray[np.bool_], people: NDArray[np.int64]) -> Holdout:
    starts = interactions.starts
    cases = []
    for person in people:
        rows = slice(int(starts[person]), int(starts[person + 1]))
        known = kept[rows]
        items = interactions.items[rows]
        history = History(
            items[known][::-1][:LONGEST_HISTORY].copy(),
            interactions.weights[rows][known][::-1][:LONGEST_HISTORY].copy(),
        )
        cases.append(Case(int(person), history, items[known], items[~known]))
    return Holdout(interactions.where(kept), tuple(cases))


def _some(people: NDArray[np.int64], most: int | None, seed: int) -> NDArray[np.int64]:
    if most is None or len(people) <= most:
        return people
    return np.sort(np.random.default_rng(seed).choice(people, most, replace=False))
