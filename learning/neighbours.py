"""Which items go together: each with the nearest few that it speaks for."""

from dataclasses import dataclass

import numpy as np

from learning.interactions import Codes, Numbers


@dataclass(frozen=True, slots=True)
class Neighbours:
    """For each item the codes and weights of the items that it speaks for, the strongest first.

    Both arrays are items by k. Rows that are shorter are filled up with weight 0.
    """

    items: Codes
    weights: Numbers

    def scores(self, history: Codes, shares: Numbers) -> Numbers:
        """Score every item by what the items of a history say, each as loudly as its share."""
        said = self.weights[history] * shares[:, None]
        summed = np.bincount(self.items[history].ravel(), weights=said.ravel(), minlength=len(self.items))
        return summed.astype(np.float32)

    def loudest(self, item: int, history: Codes, shares: Numbers) -> int | None:
        """Tell which item of a history speaks most for `item`; None when none does."""
        rows = self.items[history] == item
        said = (self.weights[history] * rows).sum(axis=1) * shares
        best = int(said.argmax()) if len(said) else 0
        return int(history[best]) if len(said) and said[best] > 0 else None
