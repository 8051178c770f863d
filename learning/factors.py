"""What SVD learned of the items, used for people it has never met.

Its own vectors of people are thrown away: everyone's is made anew from what they did lately, by ridge regression on the
item vectors, so nobody has to wait for the next training.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from learning.interactions import Codes, Numbers

_RIDGE: Final = 2.0
_SLICE: Final = 512
"""Rows multiplied at once: few enough that BLAS wakes no threads, which on a busy machine cost more than they do."""


@dataclass(frozen=True, slots=True)
class Factors:
    """What SVD learned of the items: score = mean + bias + vector · person.

    `biases` has one number per item, `vectors` is items by factors.
    """

    mean: float
    biases: Numbers
    vectors: Numbers

    def person(self, history: Codes, shares: Numbers, ridge: float = _RIDGE) -> Numbers:
        """Find the vector that explains best why the items of a history were wanted: weighted ridge regression."""
        known = self.vectors[history].astype(np.float64)
        missing = 1.0 - self.mean - self.biases[history]
        weighted = known * shares[:, None]
        gram = known.T @ weighted + ridge * np.eye(known.shape[1])
        return np.linalg.solve(gram, weighted.T @ missing).astype(np.float32)

    def scores(self, history: Codes, shares: Numbers) -> Numbers:
        """Score every item for the person of a history."""
        person, scores = self.person(history, shares), self.biases.copy()
        for start in range(0, len(scores), _SLICE):
            scores[start : start + _SLICE] += self.vectors[start : start + _SLICE] @ person
        return scores
