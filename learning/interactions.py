"""Who wanted what, how much and when: events as weighted implicit feedback, in aligned arrays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from domain.item import Interaction
from learning.weights import WEIGHTS, weight_of

Codes = NDArray[np.int32]
Numbers = NDArray[np.float32]
Seconds = NDArray[np.float64]

HEAVIEST: Final = 20.0
"""What one person can say about one item at most: the hundredth purchase of milk says no more than the fourth."""

_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Interactions:
    """One row per person and item, the rows of a person together and in the order of time.

    `people` and `items` are codes from 0; `item_ids` and `people_count` say of what. `at` is the newest positive event
    of the pair, in seconds since 1970, `weights` the sum of its events' weights, positive and at most `HEAVIEST`.
    """

    people: Codes
    items: Codes
    weights: Numbers
    at: Seconds
    item_ids: tuple[str, ...]
    people_count: int

    def __len__(self) -> int:
        """How many pairs of a person and an item there are."""
        return len(self.people)

    @property
    def item_count(self) -> int:
        """How many items there are, those without a row included."""
        return len(self.item_ids)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each person's rows begin; one more at the end."""
        return np.searchsorted(self.people, np.arange(self.people_count + 1))

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Keep some rows, under the same codes."""
        return type(self)(
            self.people[chosen],
            self.items[chosen],
            self.weights[chosen],
            self.at[chosen],
            self.item_ids,
            self.people_count,
        )

    def decayed(self, now: float, half_life_days: float | None) -> Self:
        """Let weights fade with age: half after `half_life_days`; None leaves them."""
        if half_life_days is None:
            return self
        faded = self.weights * np.exp2((self.at - now).clip(max=0) / (half_life_days * _DAY))
        return type(self)(
            self.people,
            self.items,
            faded.astype(np.float32),
            self.at,
            self.item_ids,
            self.people_count,
        )


def fold(people: Codes, items: Codes, weights: Numbers, at: Seconds, item_ids: Sequence[str]) -> Interactions:
    """Fold single events into one row per person and item; pairs whose weights cancel out are left out.

    Codes must be from 0 without holes. Of events at the same instant the later in the arrays counts as later.
    """
    width = max(len(item_ids), 1)
    keys = people.astype(np.int64) * width + items
    pairs, place = np.unique(keys, return_inverse=True)
    sums = np.bincount(place, weights=weights, minlength=len(pairs))
    latest = np.full(len(pairs), -np.inf)
    positive = weights > 0
    np.maximum.at(latest, place[positive], at[positive])
    order_seen = np.zeros(len(pairs), dtype=np.int64)
    np.maximum.at(order_seen, place[positive], np.flatnonzero(positive))
    kept = sums > 0
    pairs, sums, latest, order_seen = pairs[kept], sums[kept], latest[kept], order_seen[kept]
    who = pairs // width
    order = np.lexsort((order_seen, latest, who))
    return Interactions(
        people=who[order].astype(np.int32),
        items=(pairs[order] % width).astype(np.int32),
        weights=np.minimum(sums[order], HEAVIEST).astype(np.float32),
        at=latest[order],
        item_ids=tuple(item_ids),
        people_count=int(people.max()) + 1 if len(people) else 0,
    )


def strengths(weights: Numbers) -> Numbers:
    """Flatten weights: log2(1 + weight), so that a view counts 1, a cart 2, a purchase 2.6."""
    flat: Numbers = np.log2(1.0 + weights).astype(np.float32)
    return flat


@dataclass(frozen=True, slots=True)
class History:
    """What one person lately wanted: codes of distinct items, the newest first, with their weights."""

    items: Codes
    weights: Numbers


def history_of(events: Iterable[Interaction], codes: Mapping[str, int]) -> History:
    """Fold a person's newest events, given the newest first, into their history. Items without a code are left out."""
    sums: dict[int, float] = {}
    wanted: dict[int, None] = {}
    for event in events:
        code = codes.get(event.item)
        if code is None or event.name not in WEIGHTS:
            continue
        weight = weight_of(event.name, event.rating)
        sums[code] = sums.get(code, 0.0) + weight
        if weight > 0:
            wanted.setdefault(code)
    kept = [code for code in wanted if sums[code] > 0]
    return History(
        np.array(kept, dtype=np.int32),
        np.array([min(sums[code], HEAVIEST) for code in kept], dtype=np.float32),
    )
