"""What SVD learned of the items, used for people it has never met.

Its own vectors of people are thrown away: everyone's is made anew from what they did lately, by ridge regression on the
item vectors, so nobody has to wait for the next training.
"""

import math
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from learning.interactions import Codes, Numbers

_RIDGE: Final = 2.0
_SLICE: Final = 512
"""Rows multiplied at once: few enough that BLAS wakes no threads, which on a busy machine cost more than they do."""


class Range(NamedTuple):
    """Where one person's scores lie over the whole catalogue: mean, variance, and what none exceeds."""

    mean: float
    variance: float
    highest: float


@dataclass(frozen=True, slots=True)
class Moments:
    """First and second moments of the items, so that a person's scores need not be made to know where they lie.

    With z = (bias, vector) of an item and q = (1, person), its score is z · q; `mean` is that of z over the items,
    `products` that of z z'.
    """

    mean: NDArray[np.float64]
    products: NDArray[np.float64]
    highest_bias: float
    longest_vector: float

    @classmethod
    def of(cls, biases: Numbers, vectors: Numbers) -> Self:
        """Go over all items once, some at a time."""
        width = vectors.shape[1] + 1
        total, products, longest = np.zeros(width), np.zeros((width, width)), 0.0
        for start in range(0, len(biases), _SLICE):
            some = slice(start, start + _SLICE)
            joined = np.column_stack((biases[some], vectors[some]))
            total += joined.sum(axis=0)
            products += joined.T @ joined
            longest = max(longest, float(np.einsum("ij,ij->i", joined[:, 1:], joined[:, 1:]).max()))
        count = max(len(biases), 1)
        highest = float(biases.max()) if len(biases) else 0.0
        return cls(total / count, products / count, highest, math.sqrt(longest))

    def range_of(self, person: Numbers) -> Range:
        """Tell where the scores of a person lie. The highest is a bound (Cauchy and Schwarz), not a score."""
        asked = np.concatenate(([1.0], person.astype(np.float64)))
        mean = float(self.mean @ asked)
        variance = float(asked @ self.products @ asked) - mean * mean
        highest = self.highest_bias + self.longest_vector * float(np.linalg.norm(person))
        return Range(mean, variance, highest)


@dataclass(frozen=True, slots=True)
class Factors:
    """What SVD learned of the items: score = mean + bias + vector · person.

    `biases` has one number per item, `vectors` is items by factors.
    """

    mean: float
    biases: Numbers
    vectors: Numbers
    moments: Moments = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work the moments out, once."""
        object.__setattr__(self, "moments", Moments.of(self.biases, self.vectors))

    def person(self, history: Codes, shares: Numbers, ridge: float = _RIDGE) -> Numbers:
        """Find the vector that explains best why the items of a history were wanted: weighted ridge regression."""
        known = self.vectors[history].astype(np.float64)
        missing = 1.0 - self.mean - self.biases[history]
        weighted = known * shares[:, None]
        gram = known.T @ weighted + ridge * np.eye(known.shape[1])
        return np.linalg.solve(gram, weighted.T @ missing).astype(np.float32)

    def scores(self, history: Codes, shares: Numbers) -> Numbers:
        """Score every item for the person of a history."""
        return self.scores_for(self.person(history, shares))

    def scores_for(self, person: Numbers, codes: NDArray[np.int64] | None = None) -> Numbers:
        """Score some items for a person's vector, all of them without `codes`."""
        biases, vectors = self.biases, self.vectors
        if codes is not None:
            biases, vectors = biases[codes], vectors[codes]
        scores = biases.copy()
        for start in range(0, len(scores), _SLICE):
            scores[start : start + _SLICE] += vectors[start : start + _SLICE] @ person
        return scores
