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
        named, said = self.items[history].ravel(), (self.weights[history] * shares[:, None]).ravel()
        width, best = self.items.shape[1], dict.fromkeys(items.tolist(), (0.0, -1))
        asked = np.zeros(len(self.items), np.bool_)
        asked[items] = True
        spoken = np.flatnonzero(asked[named])
        for item, place, loud in zip(named[spoken].tolist(), spoken.tolist(), said[spoken].tolist(), strict=True):
            if loud > best[item][0]:
                best[item] = loud, place // width
        return [int(history[row]) if row >= 0 else None for _, row in map(best.__getitem__, items.tolist())]
