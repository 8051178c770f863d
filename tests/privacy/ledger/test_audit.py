from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.consent import Purpose, State
from privacy.chain import GENESIS
from privacy.ledger.audit import Audit, Broken, Row, misplaced_nodes
from privacy.ledger.merkle import Frontier, leaf_hash
from privacy.ledger.record import Word, write_record

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SIZE = 700


def rows_from(previous: bytes, first: int, last: int, state: State = State.GRANTED) -> list[Row]:
    rows = []
    for seq in range(first, last + 1):
        word = Word(
            subject=UUID(int=seq), purpose=Purpose.ANALYTICS, state=state, source="test", said_at=NOON, signal=b"s" * 32
        )
        leaf = write_record(word, bytes(32), seq=seq, previous=previous, at=NOON)
        previous = leaf_hash(leaf)
        rows.append((seq, leaf, previous))
    return rows


ROWS = rows_from(GENESIS, 1, SIZE)


def root_at(size: int) -> bytes:
    frontier = Frontier()
    for _, _, digest in ROWS[:size]:
        frontier.append(digest)
    return frontier.root()


def audit(
    rows: list[Row], heads: tuple[int, ...] = (), *, size: int = SIZE, pieces: int = 100, end: Row = ROWS[-1]
) -> Audit:
    audit = Audit({each: root_at(each) for each in heads})
    for start in range(0, len(rows), pieces):
        audit.take(rows[start : start + pieces])
    audit.finish(size, root_at(size), end[2])
    return audit


@settings(deadline=None)
@given(st.sets(st.integers(1, SIZE), max_size=4), st.integers(1, SIZE))
def test_what_was_not_touched_is_intact(heads: set[int], pieces: int) -> None:
    found = audit(ROWS, tuple(heads), pieces=pieces)
    frontier = Frontier()
    nodes = {(level, index): root for row in ROWS for level, index, root in frontier.append(row[2])}
    assert found.nodes == nodes
    assert misplaced_nodes(nodes, found.nodes) == []
    assert misplaced_nodes({**nodes, (8, 1): bytes(32)}, found.nodes) == [(8, 1)]
    assert misplaced_nodes({(8, 0): nodes[8, 0]}, found.nodes) == [(8, 1)]


def test_an_empty_ledger_is_intact() -> None:
    Audit({}).finish(0, Frontier().root(), GENESIS)


def edit_leaf(rows: list[Row]) -> None:
    seq, leaf, digest = rows[299]
    rows[299] = (seq, leaf.replace(b"granted", b"denied"), digest)


def edit_leaf_and_hash(rows: list[Row]) -> None:
    seq, leaf, _ = rows[299]
    forged = leaf.replace(b"granted", b"denied")
    rows[299] = (seq, forged, leaf_hash(forged))


def edit_hash(rows: list[Row]) -> None:
    rows[299] = (300, rows[299][1], bytes(32))


def swap(rows: list[Row]) -> None:
    (_, left, _), (_, right, _) = rows[299], rows[499]
    rows[299], rows[499] = (300, right, leaf_hash(right)), (500, left, leaf_hash(left))


def drop(rows: list[Row]) -> None:
    del rows[299]


def unreadable(rows: list[Row]) -> None:
    rows[299] = (300, b"{", leaf_hash(b"{"))


@pytest.mark.parametrize("tamper", [edit_leaf, edit_leaf_and_hash, edit_hash, swap, drop, unreadable])
def test_the_first_bad_record_is_named(tamper: Callable[[list[Row]], None]) -> None:
    rows = list(ROWS)
    tamper(rows)
    with pytest.raises(Broken, match="300") as broken:
        audit(rows)
    assert broken.value.seq == 300


def test_a_cut_tail_is_seen_by_the_head_and_by_what_was_signed() -> None:
    with pytest.raises(Broken, match="record 600 is missing"):
        audit(ROWS[:599])
    with pytest.raises(Broken, match="599 records, 650 were signed") as broken:
        audit(ROWS[:599], (650,), size=599, end=ROWS[598])
    assert broken.value.seq == 600
    with pytest.raises(Broken, match="too many"):
        audit(ROWS, size=690, end=ROWS[689])


def test_a_tail_that_was_rewritten_whole_is_seen_by_what_was_signed() -> None:
    """Every hash is right again; only a signature that the forger cannot make is not."""
    forged = ROWS[:299] + rows_from(ROWS[298][2], 300, SIZE, State.DENIED)
    with pytest.raises(Broken, match="251 to 600") as broken:
        audit(forged, (250, 600), end=forged[-1])
    assert broken.value.seq == 251


def test_a_forged_head_is_seen() -> None:
    with pytest.raises(Broken, match="head"):
        audit(ROWS, end=ROWS[-2])
