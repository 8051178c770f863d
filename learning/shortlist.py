"""The best few items for a person, found without asking both parts about every item.

The neighbours speak of few items, the factors of all. So those that the neighbours put first are scored in full, and
what is left out is bounded by the highest that the factors could say (Fagin, Lotem and Naor 2003, the threshold
algorithm). The list is the one that `blend` over the whole catalogue would give.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from learning.factors import Factors
from learning.interactions import Codes, History, Numbers, strengths
from learning.measures import top
from learning.neighbours import Neighbours
from learning.scoring import Blend, blend, scale_of, shares, standard_of

Places = NDArray[np.int64]

_PER_PLACE: Final = 8
"""Items scored in full, per item wanted, before it is seen whether they are enough."""
_WIDER: Final = 8
_FEW: Final = 16
"""To pick more than one row in so many out of an array costs what going over all of it does."""
_SLIGHT: Final = 1e-4
"""By how much the last of a list must be better than anything left out: more than float32 gets wrong."""


def shortlist(
    neighbours: Neighbours,
    factors: Factors,
    history: History,
    how: Blend,
    allowed: NDArray[np.bool_],
    count: int,
) -> tuple[Codes, Numbers]:
    """Find the `count` best of the items allowed, with their scores, best first and ties by code."""
    found = _from_neighbours(neighbours, factors, history, how, allowed, count) if how.neighbours > 0 else None
    if found is not None:
        return found
    scores = blend(neighbours, factors, history, how)
    scores[~allowed] = -np.inf
    codes = top(scores, count)
    return codes, scores[codes]


def _from_neighbours(
    neighbours: Neighbours,
    factors: Factors,
    history: History,
    how: Blend,
    allowed: NDArray[np.bool_],
    count: int,
) -> tuple[Codes, Numbers] | None:
    """Find them among those that the neighbours speak for; None when others might be better."""
    near = neighbours.scores(history.items, shares(history, how.half_life))
    mean, scale = standard_of(near)
    scale *= how.neighbours
    spoken_for = np.flatnonzero((near > 0) & allowed)
    if len(spoken_for) < count or not scale:
        return None
    person = factors.person(history.items, strengths(history.weights))
    range_ = factors.moments.range_of(person)
    their_scale = (1 - how.neighbours) * scale_of(range_.mean, range_.variance)
    most = (range_.highest - range_.mean) * their_scale
    for codes, farther in _wider_and_wider(spoken_for, near[spoken_for], _PER_PLACE * count):
        if len(codes) > len(near) // _FEW:
            return None
        scores = (near[codes] - np.float32(mean)) * np.float32(scale)
        scores += (factors.scores_for(person, codes) - np.float32(range_.mean)) * np.float32(their_scale)
        best = np.argsort(-scores, kind="stable")[:count]
        if len(best) == count and scores[best[-1]] > (farther - mean) * scale + most + _SLIGHT:
            return codes[best].astype(np.int32), scores[best]
    return None


def _wider_and_wider(spoken_for: Places, near: Numbers, first: int) -> Iterator[tuple[Places, float]]:
    """Give the nearest, in the order of their codes, then more, then all; with each a bound on the others' nearness."""
    size = first
    while size < len(near):
        bound = float(np.partition(near, len(near) - size)[len(near) - size])
        yield spoken_for[near > bound], bound
        size *= _WIDER
    yield spoken_for, 0.0
