"""Leaves that look at a property of the events in a window: different values, events of one value, a sum.

Each keeps pairs of numbers, newest first, laid flat: `[stamp, other, stamp, other, …]`.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from domain.segment import Count, Distinct, Sum
from profiles.segments.duration import parse_duration
from profiles.segments.leaf import (
    AT_LEAST,
    Filter,
    Moment,
    count_flip,
    count_truth,
    leaf_key,
    mark_of,
    normal_count,
)

MOST_VALUES: Final = 100
"""Values of which `ValueLeaf` keeps events apart: those that came last."""

MOST_AMOUNTS: Final = 500
"""Amounts that `SumLeaf` keeps apart; of more than that, those close together are kept as one."""

_GRAINS: Final = 250
_MILLIONTHS: Final = 1_000_000
_GREATEST: Final = 2**62

Pair = tuple[int, int]


class _Pairs(ABC):
    """What these leaves do with pairs, all of them but which to keep."""

    __slots__ = ()

    @abstractmethod
    def choose(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Choose those to keep, the newest first."""

    def fold(self, kept: Sequence[int], moments: Sequence[Moment], _seen: int = 0) -> list[int]:
        """Add what has come."""
        return _flat(self.choose([*_pairs(kept), *moments]))

    def build(self, moments: Iterable[Moment]) -> list[int]:
        """Take a whole history."""
        return _flat(self.choose(moments))

    def join(self, kept: Sequence[int], other: Sequence[int]) -> list[int]:
        """Take the union."""
        return _flat(self.choose([*_pairs(kept), *_pairs(other)]))


class DistinctLeaf(_Pairs):
    """Counts different values of a property. Of each value only its newest stamp matters, and only `n + 1` of those."""

    __slots__ = ("events", "exact", "filter", "horizon", "keep", "key", "n", "property", "state", "window")

    def __init__(self, node: Distinct) -> None:
        self.events = (node.event,)
        self.window = self.horizon = parse_duration(node.window)
        self.exact, self.n = normal_count(node.op, node.n)
        self.keep = self.n + 1 if self.exact else self.n
        self.property = node.property
        self.filter = Filter(node.event, node.where)
        form = [node.event, node.property, self.window, self.exact, self.n, self.filter.form]
        self.key = self.state = leaf_key("distinct", form)

    def moment(self, _name: str, properties: dict[str, Any], stamp: int) -> Moment | None:
        """Take the value of an event that matches and has one."""
        return _marked(self.filter, properties, self.property, stamp) if self.keep else None

    def truth(self, kept: Sequence[int], now: int) -> bool:
        """Decide at an instant."""
        return count_truth(kept[::2], now - self.window, self.n, exact=self.exact)

    def flip(self, kept: Sequence[int], now: int) -> int | None:
        """Tell when a value leaves the window for good, and that matters."""
        return count_flip(kept[::2], now, self.window, self.n, exact=self.exact)

    def amount(self, _kept: Sequence[int], moments: Sequence[Moment], now: int) -> float:
        """Count the values in the window."""
        return len({mark for stamp, mark in moments if stamp > now - self.window})

    def choose(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Let the newest stamp of each value stand."""
        newest: dict[int, int] = {}
        for stamp, mark in pairs:
            newest[mark] = max(stamp, newest.get(mark, stamp))
        return sorted(((stamp, mark) for mark, stamp in newest.items()), reverse=True)[: self.keep]


class ValueLeaf(_Pairs):
    """Asks for at least `n` events that have one value of a property in common. Keeps the newest `n` of each value."""

    __slots__ = ("by", "events", "filter", "horizon", "key", "n", "state", "window")

    def __init__(self, node: Count) -> None:
        self.events = (node.event,)
        self.window = self.horizon = parse_duration(node.window)
        self.n = node.n + AT_LEAST[node.op]
        self.by = node.by or ""
        self.filter = Filter(node.event, node.where)
        self.key = self.state = leaf_key("count by", [node.event, self.by, self.window, self.n, self.filter.form])

    def moment(self, _name: str, properties: dict[str, Any], stamp: int) -> Moment | None:
        """Take the value of an event that matches and has one."""
        return _marked(self.filter, properties, self.by, stamp)

    def truth(self, kept: Sequence[int], now: int) -> bool:
        """Decide at an instant."""
        opens = now - self.window
        return any(stamp > opens for stamp in self._decisive(kept))

    def flip(self, kept: Sequence[int], now: int) -> int | None:
        """Tell when the last value that is true now ceases to be."""
        last = max(self._decisive(kept), default=now - self.window)
        return last + self.window if last > now - self.window else None

    def amount(self, _kept: Sequence[int], moments: Sequence[Moment], now: int) -> float:
        """Count the events of the value that most in the window have."""
        return max(Counter(mark for stamp, mark in moments if stamp > now - self.window).values(), default=0)

    def _decisive(self, kept: Sequence[int]) -> Iterable[int]:
        """Give the n-th newest stamp of each value that has so many."""
        counted: dict[int, int] = {}
        for stamp, mark in _pairs(kept):
            counted[mark] = counted.get(mark, 0) + 1
            if counted[mark] == self.n:
                yield stamp

    def choose(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Keep the newest of each value."""
        counted: dict[int, int] = {}
        newest: list[Pair] = []
        for stamp, mark in sorted(pairs, reverse=True):
            known = counted.get(mark)
            if known == self.n or (known is None and len(counted) == MOST_VALUES):
                continue
            counted[mark] = (known or 0) + 1
            newest.append((stamp, mark))
        return newest


class SumLeaf(_Pairs):
    """Compares what a numeric property adds up to, in whole millionths so that no order of adding matters."""

    __slots__ = ("events", "filter", "horizon", "key", "op", "property", "state", "value", "window")

    def __init__(self, node: Sum) -> None:
        self.events = (node.event,)
        self.window = self.horizon = parse_duration(node.window)
        self.op = {"<": ">=", "<=": ">", "!=": "=="}.get(node.op, node.op)
        self.value = _millionths(node.value)
        self.property = node.property
        self.filter = Filter(node.event, node.where)
        self.key = self.state = leaf_key(
            "sum", [node.event, node.property, self.window, self.op, self.value, self.filter.form]
        )

    def moment(self, _name: str, properties: dict[str, Any], stamp: int) -> Moment | None:
        """Take the amount of an event that matches and has one."""
        amount = properties.get(self.property)
        if not isinstance(amount, int | float) or isinstance(amount, bool) or not self.filter.takes(properties):
            return None
        return stamp, _millionths(amount)

    def truth(self, kept: Sequence[int], now: int) -> bool:
        """Decide at an instant."""
        return self._holds(sum(kept[1 : 2 * self._inside(kept, now) : 2]))

    def flip(self, kept: Sequence[int], now: int) -> int | None:
        """Tell when an amount leaves the window and the comparison changes with that."""
        left = self._inside(kept, now)
        total = sum(kept[1 : 2 * left : 2])
        held = self._holds(total)
        while left:
            leaves = kept[2 * left - 2]
            while left and kept[2 * left - 2] == leaves:
                total -= kept[2 * left - 1]
                left -= 1
            if self._holds(total) is not held:
                return leaves + self.window
        return None

    def amount(self, kept: Sequence[int], _moments: Sequence[Moment], now: int) -> float:
        """Tell what it adds up to."""
        return sum(kept[1 : 2 * self._inside(kept, now) : 2]) / _MILLIONTHS

    def _holds(self, total: int) -> bool:
        if self.op == "==":
            return total == self.value
        return total > self.value if self.op == ">" else total >= self.value

    def _inside(self, kept: Sequence[int], now: int) -> int:
        return bisect_left(kept[::2], self.window - now, key=int.__neg__)

    def choose(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Drop amounts that left the window before the newest came."""
        ordered = sorted(pairs, key=itemgetter(0), reverse=True)
        if ordered:
            opens = ordered[0][0] - self.window
            ordered = [pair for pair in ordered if pair[0] > opens]
        return ordered if len(ordered) <= MOST_AMOUNTS else self._coarser(ordered)

    def _coarser(self, ordered: Iterable[Pair]) -> list[Pair]:
        """Keep as one what lies in the same small part of a window, at the newest of its stamps."""
        grain = max(self.window // _GRAINS, 1)
        coarse: dict[int, Pair] = {}
        for stamp, amount in ordered:
            newest, total = coarse.get(stamp // grain, (stamp, 0))
            coarse[stamp // grain] = (newest, max(-_GREATEST, min(total + amount, _GREATEST)))
        return list(coarse.values())


def _marked(filter_: Filter, properties: dict[str, Any], name: str, stamp: int) -> Moment | None:
    """Take the value of a property, if the event matches and has one."""
    value = properties.get(name)
    return (stamp, mark_of(value)) if value is not None and filter_.takes(properties) else None


def _millionths(amount: float) -> int:
    return max(-_GREATEST, min(round(amount * _MILLIONTHS), _GREATEST)) if abs(amount) < _GREATEST else 0


def _pairs(kept: Sequence[int]) -> list[Pair]:
    return list(zip(kept[::2], kept[1::2], strict=True))


def _flat(pairs: Iterable[Pair]) -> list[int]:
    return [number for pair in pairs for number in pair]
