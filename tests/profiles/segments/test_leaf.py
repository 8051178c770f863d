from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from domain.segment import Comparison, Count, Trait, TraitOperator, Where
from profiles.segments.leaf import CountLeaf, TraitLeaf, is_negated

SECOND = 1_000_000
WINDOW = 10 * SECOND
COUNTS = st.builds(
    Count,
    event=st.just("view"),
    op=st.sampled_from(get_args(Comparison)),
    n=st.integers(0, 4),
    window=st.just("10s"),
)
# Few distinct instants, so that ties and stamps exactly a window apart are common.
STAMPS = st.lists(st.integers(0, 25).map(lambda second: second * SECOND), max_size=9)
HOLDS = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def oracle(count: Count, stamps: list[int], now: int) -> bool:
    inside = sum(now - WINDOW < stamp for stamp in stamps)
    return bool(HOLDS[count.op](inside, count.n))


@given(COUNTS, STAMPS, st.integers(25, 40))
def test_the_newest_stamps_decide_like_all_of_them(count: Count, stamps: list[int], second: int) -> None:
    leaf, now = CountLeaf(count), second * SECOND
    assert (leaf.truth(leaf.newest(stamps), now) != is_negated(count.op)) == oracle(count, stamps, now)


@given(COUNTS, STAMPS, st.integers(25, 40))
def test_the_next_flip_is_the_first_instant_of_another_truth(count: Count, stamps: list[int], second: int) -> None:
    leaf, now = CountLeaf(count), second * SECOND
    instants = sorted({stamp + WINDOW for stamp in stamps if stamp + WINDOW > now})
    before = oracle(count, stamps, now)
    expected = next((instant for instant in instants if oracle(count, stamps, instant) != before), None)
    assert leaf.flip(leaf.newest(stamps), now) == expected
    if expected is not None:
        assert oracle(count, stamps, expected - 1) == before


@given(COUNTS, STAMPS, STAMPS)
def test_states_merge_like_their_stamps(count: Count, ours: list[int], theirs: list[int]) -> None:
    leaf = CountLeaf(count)
    assert leaf.newest([*leaf.newest(ours), *leaf.newest(theirs)]) == leaf.newest([*ours, *theirs])


def test_equal_conditions_share_a_key() -> None:
    shoes, cheap = Where("category", "==", "shoes"), Where("price", "<", 10)
    spellings = [
        Count("view", ">=", 3, "24h", (shoes, cheap)),
        Count("view", ">", 2, "1d", (cheap, shoes)),
        Count("view", "<", 3, "24h", (shoes, cheap)),
    ]
    assert len({CountLeaf(each).key for each in spellings}) == 1
    others = [
        Count("view", "==", 3, "24h", (shoes, cheap)),
        Count("view", ">=", 3, "24h"),
        Count("cart", ">=", 3, "24h"),
    ]
    assert len({CountLeaf(each).key for each in [spellings[0], *others]}) == 4


def test_where_keeps_kinds_apart() -> None:
    leaf = CountLeaf(Count("view", ">=", 1, "1h", (Where("size", "==", 1),)))
    assert leaf.filter.takes({"size": 1})
    assert leaf.filter.takes({"size": 1.0})
    assert not leaf.filter.takes({"size": "1"})
    assert not leaf.filter.takes({"size": True})
    assert not leaf.filter.takes({})


def traits(value: object) -> dict[str, dict[str, object]]:
    return {"x": {"v": value, "t": 0, "m": ""}}


def test_a_missing_trait_satisfies_only_difference_and_absence() -> None:
    values: dict[TraitOperator, object] = dict.fromkeys(get_args(TraitOperator), 1) | {"in": [1], "exists": True}
    true = {op for op, value in values.items() if TraitLeaf(Trait("x", op, value)).truth({})}
    assert true == {"!="}
    assert TraitLeaf(Trait("x", "exists", value=False)).truth({})


def test_traits_compare_within_their_kind() -> None:
    assert TraitLeaf(Trait("x", ">", 5)).truth(traits(6))
    assert not TraitLeaf(Trait("x", ">", 5)).truth(traits("6"))
    assert not TraitLeaf(Trait("x", ">", 0)).truth(traits(value=True))
    assert TraitLeaf(Trait("x", ">=", "2024-01-01")).truth(traits("2024-04-24"))
    assert TraitLeaf(Trait("x", "in", ["NY", "LA"])).truth(traits("LA"))
    assert TraitLeaf(Trait("x", "contains", "cart")).truth(traits(["view", "cart"]))
    assert TraitLeaf(Trait("x", "contains", "cart")).truth(traits("my cart"))
    assert TraitLeaf(Trait("x", "==", None)).truth(traits(None))
