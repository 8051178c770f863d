"""What several leaves keep together: counts of the same events, with windows and numbers of their own."""

from collections.abc import Iterable, Sequence
from operator import itemgetter

from profiles.segments.leaf import KeptLeaf


class Shared:
    """One state of several leaves, which differ only in what they ask of it. To its keeper it is one leaf."""

    __slots__ = ("_flips", "build", "events", "fold", "horizon", "join", "leaves", "moment", "state")

    def __init__(self, leaves: Sequence[KeptLeaf]) -> None:
        first = leaves[0]
        self.leaves = tuple(leaves)
        self.state = first.state
        self.events = first.events
        self.horizon = max(leaf.horizon for leaf in leaves)
        self.moment, self.fold, self.build, self.join = first.moment, first.fold, first.build, first.join
        self._flips = tuple(leaf.flip for leaf in leaves)

    def flip(self, kept: Sequence[int], now: int) -> int | None:
        """Tell when the first of the leaves changes if nothing happens, or None."""
        soonest: int | None = None
        for flip in self._flips:
            instant = flip(kept, now)
            if instant is not None and (soonest is None or instant < soonest):
                soonest = instant
        return soonest


def flipped(leaves: Iterable[KeptLeaf], kept: Sequence[int], since: int, until: int) -> list[tuple[bytes, int]]:
    """Tell which leaves changed by themselves from `since` to `until`, and when first, in the order of time."""
    instants = [(leaf.key, leaf.flip(kept, since - 1)) for leaf in leaves]
    passed = [(key, instant) for key, instant in instants if instant is not None and instant <= until]
    return sorted(passed, key=itemgetter(1))
