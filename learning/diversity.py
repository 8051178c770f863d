"""Lists that do not say one thing ten times."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from learning.interactions import Numbers


def diverse(scores: Numbers, vectors: Numbers, variety: float) -> Iterator[int]:
    """Order candidates by maximal marginal relevance (Carbonell and Goldstein 1998); give their places one by one.

    `scores` and `vectors` are those of the candidates, best first. Each place goes to whoever has the most of
    (1 - variety) · score - variety · likeness to the most alike above; scores are brought to 0 … 1, likeness is cosine.
    """
    if variety <= 0 or len(scores) < 3:  # noqa: PLR2004 - two can only be swapped
        yield from range(len(scores))
        return
    spread = float(scores.max() - scores.min()) or 1.0
    worth = (1 - variety) * (scores - scores.min()) / spread
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = variety * _among(vectors / np.maximum(lengths, 1e-9))
    place, nearest = 0, np.full(len(scores), -np.inf)
    for _ in range(len(scores)):
        yield place
        worth[place] = -np.inf
        np.maximum(nearest, likeness[place], out=nearest)
        place = int((worth - nearest).argmax())


def capped(order: Iterable[int], categories: Sequence[str | None], first: int, share: float) -> list[int]:
    """Choose the `first` places in an order, none of a category beyond its share while others are left."""
    most = max(1, round(first * share))
    counts: dict[str, int] = {}
    chosen: list[int] = []
    spare: list[int] = []
    for place in order:
        category = categories[place]
        if category is not None and counts.get(category, 0) >= most:
            spare.append(place)
            continue
        if category is not None:
            counts[category] = counts.get(category, 0) + 1
        chosen.append(place)
        if len(chosen) == first:
            break
    return [*chosen, *spare][:first]


def _among(vectors: Numbers) -> Numbers:
    likeness: Numbers = vectors @ vectors.T
    return likeness
