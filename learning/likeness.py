"""Finds each item's neighbours: by item-item cosine, or by EASE where the catalogue is small."""

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy import sparse

from learning.interactions import Codes, Interactions, Numbers, strengths
from learning.neighbours import Neighbours

Progress = Callable[[float], None]
"""Told the share of the work that is done, 0 to 1."""

LARGEST_FOR_EASE: Final = 5_000
"""Items; EASE inverts a matrix of items by items, which costs the cube of their number."""

_LONGEST_HISTORY: Final = 500
_BLOCK: Final = 1_000


def cosine(interactions: Interactions, k: int, progress: Progress = lambda _share: None) -> Neighbours:
    """Find each item's `k` nearest by the cosine of who wanted them. Memory stays at a block of rows at a time."""
    matrix = _matrix(_recent(interactions))
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=0)).ravel())
    columns = (matrix @ sparse.diags(1.0 / np.maximum(norms, 1e-12))).tocsc().astype(np.float32)
    count = interactions.item_count
    k = min(k, max(count - 1, 1))
    items, weights = np.zeros((count, k), np.int32), np.zeros((count, k), np.float32)
    for start in range(0, count, _BLOCK):
        block = (columns[:, start : start + _BLOCK].T @ columns).tocsr()
        for row in range(block.shape[0]):
            span = slice(block.indptr[row], block.indptr[row + 1])
            _keep(items[start + row], weights[start + row], block.indices[span], block.data[span], start + row)
        progress(min(1.0, (start + _BLOCK) / count))
    return Neighbours(items, weights)


def ease(interactions: Interactions, k: int, penalty: float, progress: Progress = lambda _share: None) -> Neighbours:
    """Fit EASE (Steck 2019, "Embarrassingly Shallow Autoencoders") for at most `LARGEST_FOR_EASE` items.

    With P = (X'X + penalty · I)⁻¹ the weight that item i gives to item j is -P[i, j] / P[j, j]. Each item keeps its `k`
    largest, whatever their sign.
    """
    matrix = _matrix(interactions)
    gram = (matrix.T @ matrix).toarray()
    gram[np.diag_indices_from(gram)] += penalty
    progress(0.1)
    inverse = np.linalg.inv(gram)
    progress(0.9)
    inverse /= -np.diag(inverse)
    count = interactions.item_count
    k = min(k, max(count - 1, 1))
    items, weights = np.zeros((count, k), np.int32), np.zeros((count, k), np.float32)
    every = np.arange(count, dtype=np.int32)
    for row in range(count):
        _keep(items[row], weights[row], every, inverse[row], row)
    progress(1.0)
    return Neighbours(items, weights)


def _matrix(interactions: Interactions) -> sparse.csr_matrix:
    values = strengths(interactions.weights).astype(np.float64)
    shape = (interactions.people_count, interactions.item_count)
    return sparse.csr_matrix((values, (interactions.people, interactions.items)), shape=shape)


def _recent(interactions: Interactions) -> Interactions:
    """Keep each person's newest few hundred items: a robot that saw everything would make everything alike."""
    ends = interactions.starts[1:]
    return interactions.where(ends[interactions.people] - np.arange(len(interactions)) <= _LONGEST_HISTORY)


def _keep(items: Codes, weights: Numbers, found: Codes, values: Numbers, self_: int) -> None:
    """Write the strongest of one row, by size whatever the sign, without the item itself."""
    others = found != self_
    found, values = found[others], values[others]
    if len(values) > len(items):
        top = np.argpartition(-np.abs(values), len(items) - 1)[: len(items)]
        found, values = found[top], values[top]
    order = np.argsort(-values, kind="stable")
    items[: len(order)], weights[: len(order)] = found[order], values[order]
