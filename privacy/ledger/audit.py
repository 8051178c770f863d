"""Verifying a whole ledger: every record, in order, against the chain, the tree and the heads that were signed."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import chain
from typing import Final

import msgspec

from privacy.chain import GENESIS
from privacy.ledger.merkle import TILE, TILE_LEVELS, Frontier, complete_root

Row = tuple[int, bytes, bytes]
"""Number, leaf and stored hash of a record."""


class Broken(Exception):
    """The ledger is not as it was written. `seq` is the first record that is at fault, where that can be told."""

    def __init__(self, reason: str, seq: int | None = None) -> None:
        self.reason = reason
        self.seq = seq
        super().__init__(reason)


class _Link(msgspec.Struct, frozen=True, gc=False):
    seq: int
    previous: bytes


_decode: Final = msgspec.json.Decoder(_Link).decode
_decode_all: Final = msgspec.json.Decoder(list[_Link]).decode


class Audit:
    """Takes the records of a ledger in order, and raises `Broken` at the first that is not as it was written.

    `heads` are sizes and roots that were signed: what was rewritten from some record on, with every hash after it,
    shows against them alone. `nodes` collects what ought to be stored of the tree.
    """

    def __init__(self, heads: Mapping[int, bytes]) -> None:
        self.frontier: Final = Frontier()
        self.previous = GENESIS
        self.nodes: dict[tuple[int, int], bytes] = {}
        self._heads = sorted(heads.items())
        self._signed = 0
        self._waiting: list[bytes] = []

    @property
    def size(self) -> int:
        """How many records have been taken."""
        return self.frontier.size + len(self._waiting)

    def take(self, rows: Sequence[Row]) -> None:
        """Take the records that come next. Raises `Broken`."""
        hashes = [sha256(b"\0" + leaf).digest() for _, leaf, _ in rows]
        previous, expected = self.previous, self.size
        for (seq, _, stored), computed, link in zip(rows, hashes, _links(rows), strict=True):
            expected += 1
            if seq != expected:
                raise Broken(f"record {expected} is missing", expected)
            if stored != computed:
                raise Broken(f"record {seq} was changed", seq)
            if link is None:
                raise Broken(f"record {seq} cannot be read", seq)
            if link.seq != seq:
                raise Broken(f"record {seq} is record {link.seq} in another's place", seq)
            if link.previous != previous:
                at = max(1, seq - 1)
                raise Broken(f"record {at} is not the one that was followed", at)
            previous = computed
        self.previous = previous
        self._grow(hashes)

    def finish(self, size: int, root: bytes, previous: bytes) -> None:
        """End with what the store calls the ledger's size, root and last hash. Raises `Broken`."""
        if self._heads and self._heads[-1][0] > size:
            raise Broken(f"the head says {size} records, {self._heads[-1][0]} were signed", size + 1)
        if self.size != size:
            first = min(self.size, size) + 1
            raise Broken(f"record {first} is missing" if self.size < size else f"record {first} is too many", first)
        for each in self._waiting:
            self._append(0, each)
        self._waiting = []
        if (self.frontier.root(), self.previous) != (root, previous):
            raise Broken("the head is not that of these records")

    def _grow(self, hashes: Sequence[bytes]) -> None:
        waiting = [*self._waiting, *hashes]
        whole = len(waiting) - len(waiting) % TILE
        for start in range(0, whole, TILE):
            tile = waiting[start : start + TILE]
            if self._heads and self._heads[0][0] < self.frontier.size + TILE:
                for each in tile:
                    self._append(0, each)
            else:
                root = complete_root(tile)
                self.nodes[TILE_LEVELS, self.frontier.size >> TILE_LEVELS] = root
                self._append(TILE_LEVELS, root)
        self._waiting = waiting[whole:]

    def _append(self, level: int, root: bytes) -> None:
        for at, index, found in self.frontier.append_subtree(level, root):
            self.nodes[at, index] = found
        while self._heads and self._heads[0][0] <= self.frontier.size:
            size, signed = self._heads.pop(0)
            if size != self.frontier.size or self.frontier.root() != signed:
                raise Broken(
                    f"of the records {self._signed + 1} to {size}, one is not what was signed", self._signed + 1
                )
            self._signed = size


def _links(rows: Sequence[Row]) -> Sequence[_Link | None]:
    """Read how leaves are linked, None for one that cannot be read. All at once takes half the time of one by one."""
    with suppress(msgspec.DecodeError, UnicodeError, RecursionError):
        found = _decode_all(b"[" + b",".join([leaf for _, leaf, _ in rows]) + b"]")
        if len(found) == len(rows):
            return found
    return [_link(leaf) for _, leaf, _ in rows]


def _link(leaf: bytes) -> _Link | None:
    try:
        return _decode(leaf)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def misplaced_nodes(
    stored: Mapping[tuple[int, int], bytes], computed: Mapping[tuple[int, int], bytes]
) -> list[tuple[int, int]]:
    """Name the stored subtrees that are not what the records give: proofs through them would fail."""
    places = sorted({*chain(stored, computed)})
    return [place for place in places if stored.get(place) != computed.get(place)]
