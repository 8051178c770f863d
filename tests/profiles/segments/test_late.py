"""What cannot be told from what is kept is said to be so, instead of being told wrongly."""

from typing import Any

from domain.clock import to_micros
from domain.segment import Sequence, Session, Step, ThenNot
from profiles.segments.leaf import KeptLeaf, Moment, moments_of
from profiles.segments.sequence import MOST_BEGUN, SequenceLeaf
from profiles.segments.session import SessionLeaf
from profiles.segments.tally import MOST_AMOUNTS, SumLeaf
from profiles.segments.unanswered import ThenNotLeaf
from profiles.segments.words import parse_text
from tests.fixtures.world import NOON

SECOND = 1_000_000
START = to_micros(NOON)


def moments(leaf: KeptLeaf, *acts: tuple[str, int], **properties: Any) -> list[Moment]:
    return moments_of(leaf, [(name, properties, START + second * SECOND) for name, second in acts])


def test_a_late_answer_may_uncover_a_question_that_was_not_kept() -> None:
    leaf = ThenNotLeaf(ThenNot(Step("cart"), Step("buy"), "10s", "40s"))
    carts = moments(leaf, *(("cart", second) for second in range(0, 30, 5)))
    kept = leaf.build(carts)
    assert len(kept) < len(carts)  # those whose neighbours cover them
    assert leaf.fold(kept, moments(leaf, ("buy", 7))) is None
    assert leaf.fold(kept, moments(leaf, ("buy", -1))) is not None
    late = leaf.build([*carts, *moments(leaf, ("buy", 7))])
    assert not leaf.truth(late, START + 19 * SECOND)
    assert leaf.truth(late, START + 20 * SECOND)


def test_unanswered_questions_are_few_however_many_there_are() -> None:
    leaf = ThenNotLeaf(ThenNot(Step("cart"), Step("buy"), "10s", "40s"))
    kept: list[int] = []
    for second in range(500):
        folded = leaf.fold(kept, moments(leaf, ("cart", second)))
        assert folded is not None
        kept = folded
        assert len(kept) <= 5
        assert leaf.truth(kept, START + second * SECOND) is (second >= 10)


def test_steps_out_of_order_ask_for_the_history() -> None:
    leaf = SequenceLeaf(Sequence((Step("view"), Step("buy")), "10s", "1h"))
    kept = leaf.fold([], moments(leaf, ("buy", 5)), 0)
    assert kept is not None
    assert leaf.fold(kept, moments(leaf, ("view", 3)), 0) is None
    assert leaf.fold(kept, moments(leaf, ("view", 5)), 0) is None
    assert leaf.fold(kept, moments(leaf, ("view", 6)), 0) is not None
    assert leaf.truth(leaf.build(moments(leaf, ("buy", 5), ("view", 3))), START + 5 * SECOND)


def test_sequences_under_way_are_bounded() -> None:
    leaf = parse_text("sequence(view, buy where sku == step 1 sku) within 1h in 1d")
    assert isinstance(leaf, Sequence)
    compiled, kept = SequenceLeaf(leaf), list[int]()
    for second in range(3 * MOST_BEGUN):
        folded = compiled.fold(kept, moments(compiled, ("view", second), sku=second), 0)
        assert folded is not None
        kept = folded
    assert len(kept) == 2 + 3 * MOST_BEGUN
    bought = compiled.fold(kept, moments(compiled, ("buy", 1_000), sku=3 * MOST_BEGUN - 1), 0)
    assert bought is not None
    assert compiled.truth(bought, START + 1_000 * SECOND)


def test_a_session_asks_for_the_history_of_a_pause_that_was_filled_late() -> None:
    leaf = SessionLeaf(Session("buy", ">=", 1, (), "30s"))
    kept = leaf.fold([], moments(leaf, ("buy", 0)), START)
    assert kept is not None
    kept = leaf.fold(kept, moments(leaf, ("view", 40)), START + 40 * SECOND)
    assert kept == []  # the pause has ended the session
    assert leaf.fold(kept, moments(leaf, ("view", 20)), START + 40 * SECOND) is None
    joined = leaf.build(moments(leaf, ("buy", 0), ("view", 40), ("view", 20)))
    assert leaf.truth(joined, START + 69 * SECOND)
    assert not leaf.truth(joined, START + 70 * SECOND)


def test_a_sum_of_very_many_amounts_is_kept_coarser() -> None:
    node: Any = parse_text("sum(value of buy) in 1d >= 1000")
    leaf, kept = SumLeaf(node), list[int]()
    for second in range(4 * MOST_AMOUNTS):
        kept = leaf.fold(kept, moments(leaf, ("buy", second), value=0.5))
        assert len(kept) <= 2 * MOST_AMOUNTS
    now = START + 4 * MOST_AMOUNTS * SECOND
    assert leaf.truth(kept, now)
    flip = leaf.flip(kept, now)
    assert flip is not None
    assert 0 <= flip - (START + 86_400 * SECOND) <= 86_400 * SECOND // 250
