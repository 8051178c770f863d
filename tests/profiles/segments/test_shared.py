"""Counts that share a state answer as if each had its own."""

from hypothesis import given
from hypothesis import strategies as st

from domain.segment import Count
from profiles.segments.leaf import CountLeaf
from profiles.segments.shared import Shared, flipped

SECOND = 1_000_000
COUNTS = st.lists(
    st.tuples(st.sampled_from([">=", "=="]), st.integers(1, 5), st.integers(1, 9)), min_size=2, max_size=4, unique=True
)


def leaves_of(counts: list[tuple[str, int, int]]) -> list[CountLeaf]:
    return [CountLeaf(Count("view", "==" if op == "==" else ">=", n, f"{window}s")) for op, n, window in counts]


@given(COUNTS, st.lists(st.integers(0, 12), max_size=9), st.integers(0, 25), st.integers(0, 25))
def test_time_changes_each_leaf_at_its_own_instant(
    counts: list[tuple[str, int, int]], seconds: list[int], since: int, span: int
) -> None:
    leaves = leaves_of(counts)
    shared = Shared(leaves)
    kept = shared.build((second * SECOND, None) for second in seconds)
    ticks = range(since * SECOND, (since + span) * SECOND + 1, SECOND)
    truths = {leaf.key: [leaf.truth(kept, tick) for tick in (ticks[0] - 1, *ticks)] for leaf in leaves}
    expected = {}
    for key, truth in truths.items():
        changes = [tick for tick, before, after in zip(ticks, truth, truth[1:], strict=False) if before != after]
        if changes:
            expected[key] = changes[0]
    found = flipped(leaves, kept, ticks[0], ticks[-1])
    assert dict(found) == expected
    assert [instant for _, instant in found] == sorted(expected.values())
    first = shared.flip(kept, ticks[0] - 1)
    assert (first if first is not None and first <= ticks[-1] else None) == min(expected.values(), default=None)


@given(COUNTS, st.lists(st.integers(0, 30), max_size=40))
def test_room_for_more_changes_no_answer(counts: list[tuple[str, int, int]], seconds: list[int]) -> None:
    for leaf in leaves_of(counts):
        stamps = sorted((second * SECOND for second in seconds), reverse=True)
        kept = leaf.build((stamp, None) for stamp in stamps)
        for now in range(0, 40 * SECOND, SECOND):
            known = [stamp for stamp in stamps if now - leaf.window < stamp]
            many = len(known)
            assert leaf.truth(kept, now) == (many == leaf.n if leaf.exact else many >= leaf.n)
