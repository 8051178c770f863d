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

    def loudest(self, items: Codes, history: Codes, shares: Numbers) -> list[int | None]:
        """Tell of each item which one of a history speaks most for it; None where none does."""
        named, said = self.items[history], self.weights[history] * shares[:, None]
        found: list[int | None] = []
        for item in items:
            rows, columns = np.nonzero(named == item)
            loud = said[rows, columns]
            best = int(loud.argmax()) if len(loud) else 0
            found.append(int(history[rows[best]]) if len(loud) and loud[best] > 0 else None)
        return found
