"""The Merkle tree of RFC 9162 (section 2.1): roots, inclusion and consistency, and how to check each.

Hashes are SHA-256, 32 bytes; a leaf's is prefixed by 00, an inner node's by 01. Leaves are counted from 0.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final

EMPTY_ROOT: Final = sha256(b"").digest()
TILE_LEVELS: Final = 8
"""Only subtrees whose level is a multiple of this are stored, as in C2SP tlog-tiles: one hash per 255 leaves."""
TILE: Final = 1 << TILE_LEVELS

Range = tuple[int, int]
"""Leaves from the first up to, and without, the second."""
Read = Callable[[int, int], bytes]
"""Gives the root of the complete subtree of 2^level leaves that begins at leaf index · 2^level."""


def leaf_hash(leaf: bytes) -> bytes:
    """Hash the bytes of a leaf."""
    return sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees together."""
    return sha256(b"\1" + left + right).digest()


class Frontier:
    """What appending needs of a tree: its size, and the roots of its complete subtrees, the largest first."""

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        if len(self.peaks) != size.bit_count():
            raise ValueError("A tree has one complete subtree per bit of its size.")

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Append a leaf by its hash; return the subtrees to store that it completes: level, index, root."""
        return self.append_subtree(0, leaf)

    def append_subtree(self, level: int, root: bytes) -> list[tuple[int, int, bytes]]:
        """Append 2^level leaves by the root of their subtree, at a size that is a multiple of that."""
        completed = []
        size = self.size >> level
        self.size += 1 << level
        while size & 1:
            root = node_hash(self.peaks.pop(), root)
            size >>= 1
            level += 1
            if level % TILE_LEVELS == 0:
                completed.append((level, size, root))
        self.peaks.append(root)
        return completed

    def root(self) -> bytes:
        """Give the root of the whole tree."""
        if not self.peaks:
            return EMPTY_ROOT
        return _fold(self.peaks)


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """Give the root over a power of two of hashes. The fastest way over many leaves."""
    level = list(hashes)
    while len(level) > 1:
        ends = iter(level)
        level = [sha256(b"\1" + left + right).digest() for left, right in zip(ends, ends, strict=True)]
    return level[0]


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Name the parts of a tree whose roots prove a leaf in it, from the leaf up."""
    if not 0 <= index < size:
        raise ValueError("The leaf is not in a tree of this size.")
    found: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """Name the parts of a tree of size `new` whose roots prove that it grew from its first `old` leaves."""
    if not 0 < old <= new:
        raise ValueError("A tree is consistent with a smaller one that is not empty.")
    found: list[Range] = []
    start, end, is_old_root = 0, new, True
    while start + old != end:
        middle = start + _split(end - start)
        if start + old <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            old -= middle - start
            start, is_old_root = middle, False
    if not is_old_root:
        found.append((start, end))
    return found[::-1]


def range_root(part: Range, read: Read) -> bytes:
    """Give the root over a part of a tree, as `inclusion_ranges` and `consistency_ranges` name them."""
    start, end = part
    peaks = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append(read(level, start >> level))
        start += 1 << level
    return _fold(peaks)


class Tiles:
    """Subtrees out of what is stored: hashes of leaves, and of subtrees at every eighth level.

    `stored` maps (level, index) to hashes and need only hold the tiles that are asked for. Raises `KeyError` for what
    is not there.
    """

    def __init__(self, stored: Mapping[tuple[int, int], bytes]) -> None:
        self._known = dict(stored)

    def read(self, level: int, index: int) -> bytes:
        """Give the root of a complete subtree."""
        found = self._known.get((level, index))
        if found is None:
            if level % TILE_LEVELS == 0:
                raise KeyError((level, index))
            left, right = self.read(level - 1, 2 * index), self.read(level - 1, 2 * index + 1)
            found = self._known[level, index] = node_hash(left, right)
        return found


def tiles_of(parts: Iterable[Range]) -> set[tuple[int, int]]:
    """Name the tiles that hold what the roots over some parts are made from: level, number.

    The tile (level, number) holds the hashes at that level with indexes from 256 · number on.
    """
    wanted = set()
    for start, end in parts:
        first = start
        while first < end:
            level = (end - first).bit_length() - 1
            stored = level - level % TILE_LEVELS
            wanted.add((stored, first >> stored >> TILE_LEVELS))
            first += 1 << level
    return wanted


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Check that the tree of this size and root holds a leaf's hash at `index` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    last, found = size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            found = node_hash(sibling, found)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Check that the tree of size `new` begins with the whole tree of size `old` (RFC 9162, 2.1.4.2)."""
    if old == new:
        return not path and old_root == new_root
    if not 0 < old < new:
        return False
    steps = list(path)
    if not old & (old - 1):
        steps.insert(0, old_root)
    if not steps:
        return False
    index, last = old - 1, new - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    before = after = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            return False
        if index & 1 or index == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _split(size: int) -> int:
    """Give the largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def _fold(peaks: Sequence[bytes]) -> bytes:
    *rest, root = peaks
    for peak in reversed(rest):
        root = node_hash(peak, root)
    return root
