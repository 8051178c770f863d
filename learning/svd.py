"""Trains Surprise's SVD to tell seen from unseen.

Trained on ratings, SVD ranks worse than plain popularity. Trained on seen = 1 and some sampled unseen = 0, it is level
with item-item cosine.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from surprise import SVD, Trainset

from learning.factors import Factors
from learning.interactions import Codes, Interactions

Progress = Callable[[float], None]

UNSEEN_PER_SEEN: Final = 2
"""More, up to eight, were worse."""

_RATE: Final = 0.03
_PENALTY: Final = 0.03
_CHUNK: Final = 100_000


def fit(
    interactions: Interactions,
    *,
    factors: int,
    epochs: int,
    seed: int,
    progress: Progress = lambda _share: None,
) -> Factors:
    """Train on what was seen and on `UNSEEN_PER_SEEN` times as many sampled pairs that were not."""
    random = np.random.default_rng(seed)
    people, items, seen = _samples(interactions, random)
    trainset = _Samples(people, items, seen, interactions, epochs, progress)
    model = SVD(n_factors=factors, n_epochs=epochs, lr_all=_RATE, reg_all=_PENALTY, random_state=seed)
    model.fit(trainset)
    return Factors(float(seen.mean()), model.bi.astype(np.float32), model.qi.astype(np.float32))


def _samples(interactions: Interactions, random: np.random.Generator) -> tuple[Codes, Codes, NDArray[np.int8]]:
    count = len(interactions) * UNSEEN_PER_SEEN
    width = interactions.item_count
    known = np.sort(interactions.people.astype(np.int64) * width + interactions.items)
    people = np.repeat(interactions.people, UNSEEN_PER_SEEN)
    items = random.integers(width, size=count, dtype=np.int32)
    keys = people.astype(np.int64) * width + items
    unseen = known[np.searchsorted(known, keys).clip(max=len(known) - 1)] != keys
    people = np.concatenate([interactions.people, people[unseen]])
    items = np.concatenate([interactions.items, items[unseen]])
    labels = np.zeros(len(people), np.int8)
    labels[: len(interactions)] = 1
    order = random.permutation(len(people))
    return people[order], items[order], labels[order]


class _Samples(Trainset):  # type: ignore[misc]  # surprise is untyped
    """Feeds SVD from arrays: Surprise's own keeps a tuple per rating, ten times the memory."""

    def __init__(
        self,
        people: Codes,
        items: Codes,
        seen: NDArray[np.int8],
        interactions: Interactions,
        epochs: int,
        progress: Progress,
    ) -> None:
        counts = {"n_users": interactions.people_count, "n_items": interactions.item_count, "n_ratings": len(people)}
        names: dict[str, Any] = {"ur": {}, "ir": {}, "raw2inner_id_users": {}, "raw2inner_id_items": {}}
        super().__init__(**names, **counts, rating_scale=(0, 1))
        self._arrays = (people, items, seen)
        self._global_mean = float(seen.mean())
        self._epochs = epochs
        self._passes = 0
        self._progress = progress

    def all_ratings(self) -> Iterator[tuple[int, int, float]]:
        """Give every sample once; SVD asks once per epoch."""
        total = len(self._arrays[0])
        for start in range(0, total, _CHUNK):
            chunk = [array[start : start + _CHUNK].tolist() for array in self._arrays]
            yield from zip(*chunk, strict=True)
            self._progress((self._passes + min(start + _CHUNK, total) / total) / self._epochs)
        self._passes += 1
