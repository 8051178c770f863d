"""Lists that do not say one thing ten times."""

from collections.abc import Sequence

import numpy as np

from learning.interactions import Codes, Numbers


def diverse(candidates: Codes, scores: Numbers, vectors: Numbers, variety: float) -> list[int]:
    """Order candidates by maximal marginal relevance (Carbonell and Goldstein 1998).

    `candidates` are codes, best first, `scores` and `vectors` theirs. Each place goes to whoever has the most of
    (1 - variety) · score - variety · likeness to the most alike above; scores are brought to 0 … 1, likeness is cosine.
    """
    if variety <= 0 or len(candidates) < 3:  # noqa: PLR2004 - two can only be swapped
        return list(range(len(candidates)))
    spread = float(scores.max() - scores.min()) or 1.0
    worth = (1 - variety) * (scores - scores.min()) / spread
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, 1e-9)
    likeness = unit @ unit.T
    order = [0]
    nearest = likeness[0].copy()
    waiting = np.ones(len(candidates), np.bool_)
    waiting[0] = False
    for _ in range(len(candidates) - 1):
        gain = np.where(waiting, worth - variety * nearest, -np.inf)
        place = int(gain.argmax())
        order.append(place)
        waiting[place] = False
        nearest = np.maximum(nearest, likeness[place])
    return order


def capped(categories: Sequence[str | None], first: int, share: float) -> list[int]:
    """Choose `first` places in their order, none of a category beyond its share while others are left."""
    most = max(1, round(first * share))
    counts: dict[str, int] = {}
    chosen, spare = [], []
    for place, category in enumerate(categories):
        if category is not None and counts.get(category, 0) >= most:
            spare.append(place)
            continue
        if category is not None:
            counts[category] = counts.get(category, 0) + 1
        chosen.append(place)
    return [*chosen, *spare][:first]
