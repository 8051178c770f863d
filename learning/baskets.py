"""Finds what is bought together: lift over chance, with a minimum of orders behind it."""

from collections.abc import Iterable
from typing import Final

import numpy as np
from scipy import sparse

from learning.together import Together

FEWEST_ORDERS: Final = 3
"""Two orders that share two items are chance."""

_MOST: Final = 20
_LARGEST_ORDER: Final = 100


def bought_together(orders: Iterable[Iterable[int]], item_count: int, fewest: int = FEWEST_ORDERS) -> Together:
    """Count pairs in orders, given as item codes. Orders of more than 100 items are resellers' and left out."""
    baskets = [sorted(set(order)) for order in orders]
    baskets = [basket for basket in baskets if 1 <= len(basket) <= _LARGEST_ORDER]
    rows = np.repeat(np.arange(len(baskets)), [len(basket) for basket in baskets])
    columns = np.array([code for basket in baskets for code in basket], dtype=np.int32)
    matrix = sparse.csr_matrix((np.ones(len(columns), np.int64), (rows, columns)), shape=(len(baskets), item_count))
    counts = np.asarray(matrix.sum(axis=0)).ravel()
    pairs = (matrix.T @ matrix).tocsr()
    found = Together(
        np.zeros((item_count, _MOST), np.int32),
        np.zeros((item_count, _MOST), np.float32),
        np.zeros((item_count, _MOST), np.int32),
    )
    for item in np.flatnonzero(counts >= fewest):
        span = slice(pairs.indptr[item], pairs.indptr[item + 1])
        others, both = pairs.indices[span], pairs.data[span]
        enough = (both >= fewest) & (others != item)
        others, both = others[enough], both[enough]
        lifts = both * len(baskets) / (counts[item] * counts[others])
        order = np.lexsort((-both, -lifts))[:_MOST]
        order = order[lifts[order] > 1]
        found.items[item, : len(order)] = others[order]
        found.lifts[item, : len(order)] = lifts[order]
        found.orders[item, : len(order)] = both[order]
    return found
