"""From a person's history to a score for every item: neighbours and factors, each with a vote."""

import math
from typing import Final

import msgspec
import numpy as np

from learning.factors import Factors
from learning.interactions import History, Numbers, strengths
from learning.neighbours import Neighbours

LONGEST_HISTORY: Final = 100


class Blend(msgspec.Struct, frozen=True):
    """How to listen: both numbers are found by validation at each training, never assumed."""

    half_life: float | None = None
    """How many items further back a voice has half the share; None: all alike."""
    neighbours: float = 0.8
    """The share of the neighbours' vote; the factors have the rest."""


def shares(history: History, half_life: float | None) -> Numbers:
    """Tell how loudly each item of a history speaks: by its strength, and the older the less."""
    loud = strengths(history.weights)
    if half_life is not None:
        loud = loud * np.exp2(-np.arange(len(loud), dtype=np.float32) / half_life)
    return loud.astype(np.float32)


def blend(neighbours: Neighbours, factors: Factors, history: History, how: Blend) -> Numbers:
    """Score every item. Both votes are brought to mean 0 and deviation 1 over the catalogue before they are added."""
    loud = shares(history, how.half_life)
    scores = np.zeros(len(factors.biases), np.float32)
    if how.neighbours > 0:
        scores += np.float32(how.neighbours) * standardised(neighbours.scores(history.items, loud))
    if how.neighbours < 1:
        # A person's vector is for all of what they like: recency would leave it one item to be made from.
        alike = strengths(history.weights)
        scores += np.float32(1 - how.neighbours) * standardised(factors.scores(history.items, alike))
    return scores


def standardised(scores: Numbers) -> Numbers:
    """Bring scores to mean 0 and deviation 1; all 0 where they are all the same."""
    mean, scale = standard_of(scores)
    standard: Numbers = (scores - np.float32(mean)) * np.float32(scale)
    return standard


def standard_of(scores: Numbers) -> tuple[float, float]:
    """Tell what to take off scores and what to multiply them by; 0 where they are all the same."""
    count = max(len(scores), 1)
    mean = float(scores.sum(dtype=np.float64)) / count
    return mean, scale_of(mean, float(np.dot(scores, scores)) / count - mean * mean)


def scale_of(mean: float, variance: float) -> float:
    """Give 1 over the deviation; 0 where the variance is no more than what float32 cannot tell from none."""
    return 1 / math.sqrt(variance) if variance > 1e-12 * max(mean * mean, 1e-12) else 0.0
