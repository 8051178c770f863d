from hypothesis import given
from hypothesis import strategies as st

from domain.clock import from_micros, to_micros
from domain.segment import Count
from profiles.segments.evaluate import next_look
from profiles.segments.leaf import CountLeaf
from stores.profiles import LeafState

SECOND = 1_000_000
STEPS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 12)), max_size=12)
"""Seconds since the step before, and by how many seconds the event is late."""


@given(STEPS, st.sampled_from([">=", "=="]), st.integers(1, 3))
def test_a_leaf_is_looked_at_when_it_flips_or_before(steps: list[tuple[int, int]], op: str, n: int) -> None:
    leaf = CountLeaf(Count("view", "==" if op == "==" else ">=", n, "10s"))
    state, now = LeafState([]), 100 * SECOND
    for passed, late in steps:
        now += passed * SECOND
        if state.due_at is not None and to_micros(state.due_at) <= now:
            state.due_at = next_look(leaf, state, now)
        state.stamps = leaf.newest([*state.stamps, now - late * SECOND])
        state.due_at = next_look(leaf, state, now)
        flip = leaf.flip(state.stamps, now)
        if flip is not None:
            assert state.due_at is not None
            assert now < to_micros(state.due_at) <= flip


def test_a_sliding_window_keeps_its_timer() -> None:
    leaf = CountLeaf(Count("view", ">=", 1, "10s"))
    state = LeafState([0])
    state.due_at = next_look(leaf, state, 0)
    state.stamps = [5 * SECOND]
    assert next_look(leaf, state, 5 * SECOND) == state.due_at == from_micros(10 * SECOND)
    assert next_look(leaf, state, 10 * SECOND) == from_micros(15 * SECOND)
