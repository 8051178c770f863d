from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.ledger.merkle import (
    EMPTY_ROOT,
    TILE,
    Frontier,
    Tiles,
    complete_root,
    consistency_ranges,
    inclusion_ranges,
    is_consistent,
    is_included,
    leaf_hash,
    node_hash,
    range_root,
    tiles_of,
)

LEAVES = [leaf_hash(str(number).encode()) for number in range(3 * TILE + 41)]
SIZES = st.integers(1, 300)
unhurried = settings(deadline=None)


def naive(leaves: Sequence[bytes]) -> bytes:
    """The definition of RFC 9162, 2.1.1, to the letter."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return node_hash(naive(leaves[:middle]), naive(leaves[middle:]))


def grow(size: int) -> tuple[Frontier, Tiles]:
    frontier = Frontier()
    stored = {(0, index): leaf for index, leaf in enumerate(LEAVES[:size])}
    for leaf in LEAVES[:size]:
        stored.update({(level, index): root for level, index, root in frontier.append(leaf)})
    return frontier, Tiles(stored)


def test_the_vectors_of_the_rfc_s_first_implementation() -> None:
    """Roots that Certificate Transparency's own tests hold their trees to."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    frontier = Frontier()
    for text in inputs:
        frontier.append(leaf_hash(bytes.fromhex(text)))
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert frontier.root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@unhurried
@given(SIZES)
def test_the_root_is_that_of_the_definition(size: int) -> None:
    frontier, _ = grow(size)
    assert frontier.root() == naive(LEAVES[:size])
    assert Frontier(size, frontier.peaks).root() == frontier.root()


@unhurried
@given(st.data())
def test_every_leaf_is_proven_and_no_other(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(LEAVES)))
    index = data.draw(st.integers(0, size - 1))
    frontier, tiles = grow(size)
    path = [range_root(part, tiles.read) for part in inclusion_ranges(index, size)]
    assert is_included(LEAVES[index], index, size, path, frontier.root())
    assert not is_included(leaf_hash(b"forged"), index, size, path, frontier.root())
    assert not is_included(LEAVES[index], index, size, path, leaf_hash(b"forged"))
    for other in {0, size - 1, index ^ 1} - {index}:
        assert not is_included(LEAVES[index], other, size, path, frontier.root())
    for broken in (path[1:], [*path, path[-1] if path else EMPTY_ROOT], path[::-1]):
        assert broken == path or not is_included(LEAVES[index], index, size, broken, frontier.root())


@unhurried
@given(st.data())
def test_growth_is_proven_and_a_rewrite_is_not(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, len(LEAVES)))
    old = data.draw(st.integers(1, new))
    frontier, tiles = grow(new)
    path = [range_root(part, tiles.read) for part in consistency_ranges(old, new)]
    before = grow(old)[0].root()
    assert is_consistent(old, before, new, frontier.root(), path)
    assert not is_consistent(old, leaf_hash(b"rewritten"), new, frontier.root(), path)
    assert not is_consistent(old, before, new, leaf_hash(b"rewritten"), path)
    if path:
        assert not is_consistent(old, before, new, frontier.root(), path[:-1])


@unhurried
@given(st.data())
def test_a_proof_needs_no_more_than_its_tiles(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(LEAVES)))
    parts = inclusion_ranges(data.draw(st.integers(0, size - 1)), size)
    frontier, _ = grow(size)
    stored = {(0, index): leaf for index, leaf in enumerate(LEAVES[:size])}
    building = Frontier()
    for leaf in LEAVES[:size]:
        stored.update({(level, index): root for level, index, root in building.append(leaf)})
    wanted = tiles_of(parts)
    kept = {(level, index): root for (level, index), root in stored.items() if (level, index // TILE) in wanted}
    for part in parts:
        assert range_root(part, Tiles(kept).read) == naive(LEAVES[slice(*part)])
    assert building.root() == frontier.root()


def test_subtrees_may_be_appended_whole() -> None:
    frontier = Frontier()
    completed = frontier.append_subtree(8, complete_root(LEAVES[:TILE]))
    for leaf in LEAVES[TILE : TILE + 7]:
        frontier.append(leaf)
    assert completed == []
    assert frontier.root() == naive(LEAVES[: TILE + 7])


def test_what_is_no_tree_is_refused() -> None:
    with pytest.raises(ValueError, match="one complete subtree"):
        Frontier(3, [LEAVES[0]])
    with pytest.raises(ValueError, match="not in a tree"):
        inclusion_ranges(4, 4)
    with pytest.raises(ValueError, match="not empty"):
        consistency_ranges(0, 4)
    assert not is_included(LEAVES[0], -1, 1, [], LEAVES[0])
    assert not is_consistent(0, EMPTY_ROOT, 4, LEAVES[0], [])
