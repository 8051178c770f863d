"""Sets of vendor ids as TCF writes them: a field of bits or a list of ranges, never expanded."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from privacy.signals.bits import Bits
from privacy.signals.refusal import Reason, Refusal

MOST: Final = 65_535
"""The highest vendor id that 16 bits hold."""

Ranges = tuple[tuple[int, int], ...]
"""First and last id of each run, both included, in order and apart from one another."""

_ONES: Final = re.compile("1+")


class Vendors(msgspec.Struct, frozen=True):
    """One set of vendors. An id outside of it has not been named, so it counts as a no."""

    max_id: int
    encoding: Literal["bitfield", "range"]
    field: int = 0
    """With `bitfield`: `max_id` bits, the highest of them vendor 1."""
    stated: Ranges = ()
    """With `range`: the runs."""

    def __contains__(self, vendor: int) -> bool:
        """Tell whether an id is named."""
        if not 1 <= vendor <= self.max_id:
            return False
        if self.encoding == "bitfield":
            return bool(self.field >> (self.max_id - vendor) & 1)
        return covers(self.stated, vendor)

    @property
    def ranges(self) -> Ranges:
        """All ids, as runs."""
        if self.encoding == "range":
            return self.stated
        bits = f"{self.field:0{self.max_id}b}" if self.max_id else ""
        return tuple((run.start() + 1, run.end()) for run in _ONES.finditer(bits))


def read_vendors(bits: Bits, read_ranges: Callable[[Bits, int], Ranges]) -> Vendors:
    """Read the highest id, the kind of encoding and the set; `read_ranges` is the section's way to write ranges."""
    max_id = bits.number(16)
    if bits.flag():
        return Vendors(max_id, "range", stated=read_ranges(bits, max_id))
    return Vendors(max_id, "bitfield", field=bits.number(max_id))


def read_fixed_ranges(bits: Bits, max_id: int) -> Ranges:
    """Read TCF's ranges: how many (12 bits), then for each whether it has an end, and 16 bits for each bound."""
    return merged(_fixed_entries(bits), max_id)


def read_fibonacci_ranges(bits: Bits, max_id: int) -> Ranges:
    """Read GPP's ranges: how many (12 bits), then for each whether it has an end, and its steps in Fibonacci code."""
    return merged(fibonacci_entries(bits, max_id), max_id)


def fibonacci_entries(bits: Bits, most: int) -> Iterable[tuple[int, int]]:
    """Read the entries of a Fibonacci range; each counts from the end of the one before, so none can overlap."""
    last = 0
    for _ in range(bits.number(12)):
        is_run = bits.flag()
        first = last + bits.fibonacci(most)
        last = first + bits.fibonacci(most) if is_run else first
        yield first, last


def merged(entries: Iterable[tuple[int, int]], max_id: int) -> Ranges:
    """Bring runs into order and join neighbours. Raises `Refusal` for ids out of bounds and runs that overlap."""
    runs: list[tuple[int, int]] = []
    in_order = True
    for first, last in entries:
        if not 1 <= first <= last <= max_id:
            raise Refusal(Reason.RANGE)
        if runs and first <= runs[-1][1]:
            if last >= runs[-1][0]:
                raise Refusal(Reason.OVERLAP)
            in_order = False
        runs.append((first, last))
    joined: list[tuple[int, int]] = []
    for first, last in runs if in_order else sorted(runs):
        if joined and first <= joined[-1][1]:
            raise Refusal(Reason.OVERLAP)
        if joined and first == joined[-1][1] + 1:
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return tuple(joined)


def covers(ranges: Ranges, vendor: int) -> bool:
    """Tell whether a run holds this id."""
    place = bisect_right(ranges, (vendor, MOST)) - 1
    return place >= 0 and vendor <= ranges[place][1]


def _fixed_entries(bits: Bits) -> Iterable[tuple[int, int]]:
    for _ in range(bits.number(12)):
        # Both in one read: hostile strings have thousands of entries.
        head = bits.number(17)
        first = head & MOST
        yield first, bits.number(16) if head > MOST else first
