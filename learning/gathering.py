"""From the stored events to arrays, some thousands at a time, so that a million cost megabytes and not gigabytes."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from learning.interactions import Interactions, fold
from learning.weights import BOUGHT, weight_of
from stores.interactions import Columns


@dataclass(frozen=True, slots=True)
class Gathered:
    """What training starts from: folded interactions, the orders as item codes, and the newest instant in them."""

    interactions: Interactions
    orders: tuple[tuple[int, ...], ...]
    events: int
    newest: float


class Gathering:
    """Takes columns in as they are read. Ids of people are counted, never kept."""

    def __init__(self) -> None:
        self._people: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._rows = (array("i"), array("i"), array("f"), array("d"))
        self._baskets: dict[str, set[int]] = {}

    @property
    def events(self) -> int:
        """How many have been taken in."""
        return len(self._rows[0])

    def take(self, columns: Columns) -> None:
        """Take some rows in."""
        people, items, weights, times = self._rows
        known, codes = self._people, self._items
        for person, item, name, at, rating, basket in zip(*columns, strict=True):
            code = codes.setdefault(item, len(codes))
            people.append(known.setdefault(person, len(known)))
            items.append(code)
            weights.append(weight_of(name, rating))
            times.append(at)
            if name in BOUGHT:
                self._baskets.setdefault(basket, set()).add(code)

    def finish(self) -> Gathered:
        """Fold what was taken in. Rows come in no order, so they are put in that of time first."""
        people, items = (np.asarray(column, np.int32) for column in self._rows[:2])
        weights, times = np.asarray(self._rows[2], np.float32), np.asarray(self._rows[3], np.float64)
        order = np.argsort(times, kind="stable")
        folded = fold(people[order], items[order], weights[order], times[order], list(self._items))
        newest = float(times.max()) if len(times) else 0.0
        return Gathered(folded, _orders(self._baskets.values()), len(times), newest)


def _orders(baskets: Iterable[set[int]]) -> tuple[tuple[int, ...], ...]:
    # Orders of a single item count too: lift compares with how often an item is bought at all.
    return tuple(tuple(sorted(basket)) for basket in baskets)
