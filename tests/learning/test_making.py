"""One list at a time, from a shelf made by hand: no store, no clock."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
import pytest

from domain.item import Interaction, Item
from learning.catalogue import Catalogue, Filter, attribute_texts
from learning.factors import Factors
from learning.fitting import fit_model, starting_recipe
from learning.interactions import Interactions
from learning.lists import Question, ReasonKind, Strategy
from learning.making import Made, Maker, Person
from learning.model import Model, Recipe
from learning.neighbours import Neighbours
from learning.policy import Again, Policy, Purchased
from learning.scoring import Blend
from learning.shelf import Shelf
from learning.together import Together
from stores.recommender import Signs

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
TRENDING = (("item-20", 9.0), ("item-3", 5.0), ("new", 2.0))
FOR_YOU = Question(Strategy.FOR_YOU, 5)


@pytest.fixture(scope="module")
def shelf(shop: Interactions) -> Shelf:
    recipe = msgspec.structs.replace(starting_recipe(shop), penalty=10.0, blend=Blend(half_life=4.0, neighbours=0.8))
    orders = [[0, 1]] * 4 + [[2]] * 8
    model = fit_model(shop, orders, recipe, 0.0, lambda _what, _share: None)
    items = [
        Item(f"item-{n}", category="left" if n < 10 else "right", price=float(n), attributes={"size": n % 2})
        for n in range(20)
    ]
    catalogue = Catalogue.of({item.id: item for item in items}, model.item_ids)
    return Shelf(Signs(uuid4(), None, None), model, 1, catalogue, Policy(variety=0.0, most_of_category=1.0))


def with_policy(shelf: Shelf, **rules: Any) -> Shelf:
    policy = msgspec.structs.replace(shelf.policy, **rules)
    return Shelf(shelf.signs, shelf.model, shelf.model_version, shelf.catalogue, policy)


def with_items(shelf: Shelf, *items: Item) -> Shelf:
    catalogue = shelf.catalogue.changed({item.id: item for item in items})
    return Shelf(shelf.signs, shelf.model, shelf.model_version, catalogue, shelf.policy)


def did(*what: str, days_ago: float = 0) -> list[Interaction]:
    """Interactions as `item` (viewed) or `item:name`, the newest first."""
    pairs = [each.partition(":") for each in what]
    return [Interaction(item, name or "product_view", NOW - timedelta(days=days_ago)) for item, _, name in pairs]


def made(shelf: Shelf, *what: str, question: Question = FOR_YOU, bought: list[Interaction] | None = None) -> Made:
    person = Person([*did(*what), *(bought or [])], bought or [], NOW)
    return Maker(shelf, TRENDING).for_person(question, person, random.Random(1))


def ids(list_: Made) -> list[str]:
    return [each.product_id for each in list_.items]


def test_a_person_gets_their_taste_without_what_they_know(shelf: Shelf) -> None:
    found = made(shelf, "item-3", "item-2")
    assert found.personalized
    assert set(ids(found)[:3]) <= {f"item-{code}" for code in (0, 1, 4, 5, 6, 7, 20)}
    assert not {"item-2", "item-3"} & set(ids(found))


def test_the_reason_names_the_item_and_what_was_done_with_it(shelf: Shelf) -> None:
    reasons = {each.reason for each in made(shelf, "item-3:add_to_cart").items}
    assert any(reason.kind is ReasonKind.ADDED and reason.item == "item-3" for reason in reasons)
    assert made(shelf, "item-3").items[0].reason.kind is ReasonKind.VIEWED


def test_the_newest_wish_counts_most(shelf: Shelf) -> None:
    left = {f"item-{code}" for code in range(10)}
    turned = made(shelf, "item-3", "item-2", "item-14", "item-15", "item-16")
    before = made(shelf, "item-14", "item-15", "item-16")
    assert len(left & set(ids(turned)[:3])) > len(left & set(ids(before)[:3]))


def test_who_has_done_nothing_that_a_model_knows_gets_what_is_trending(shelf: Shelf) -> None:
    for list_ in (made(shelf), made(shelf, "unheard-of")):
        assert (list_.strategy, list_.personalized) == (Strategy.TRENDING, False)
        assert ids(list_) == ["item-20", "item-3", "new"]


def test_without_a_model_everyone_gets_what_is_trending(shelf: Shelf) -> None:
    bare = Shelf(shelf.signs, None, None, Catalogue.of({}, ()), shelf.policy)
    assert ids(made(bare, "item-3")) == ["item-20", "item-3", "new"]
    assert ids(Maker(bare, TRENDING).around(Question(Strategy.SIMILAR, 5), "item-1")) == []


@pytest.mark.parametrize(
    ("filter_", "allowed"),
    [
        (Filter(categories=frozenset({"right"})), {f"item-{code}" for code in range(10, 20)}),
        (Filter(price_from=5, price_to=8), {"item-5", "item-6", "item-7", "item-8"}),
        (Filter(attributes=attribute_texts({"size": 1})), {f"item-{code}" for code in range(1, 20, 2)}),
        (
            Filter(exclude=frozenset({"item-4", "item-1"})),
            {f"item-{code}" for code in range(21)} - {"item-4", "item-1"},
        ),
        (Filter(categories=frozenset({"nowhere"})), set()),
    ],
)
def test_filters_hold_for_every_place(shelf: Shelf, filter_: Filter, allowed: set[str]) -> None:
    found = set(ids(made(shelf, "item-3", question=Question(Strategy.FOR_YOU, 20, filter_))))
    assert found <= allowed | ({"new"} if "item-20" in allowed else set())
    assert bool(found) == bool(allowed)


def test_a_rare_attribute_is_found_far_down_the_list() -> None:
    """Of 2,000 items ten are what is asked for, none of them among the nearest."""
    random = np.random.default_rng(2)
    count = 2_000
    ids_ = tuple(f"item-{code}" for code in range(count))
    nothing = np.zeros((count, 1), np.int32)
    model = Model(
        Recipe(kind="cosine", blend=Blend(neighbours=0.8)),
        ids_,
        Neighbours(random.integers(0, count // 2, (count, 50), dtype=np.int32), random.random((count, 50), np.float32)),
        Factors(0.3, np.zeros(count, np.float32), random.normal(0, 0.1, (count, 8)).astype(np.float32)),
        Together(nothing, nothing.astype(np.float32), nothing),
        np.ones(count, np.float32),
    )
    rare = {f"item-{code}" for code in range(count - 10, count)}
    items: dict[str, Item | None] = {each: Item(each, attributes={"rare": each in rare}) for each in ids_}
    shelf = Shelf(Signs(uuid4(), None, None), model, 1, Catalogue.of(items, ids_), Policy())
    question = Question(Strategy.FOR_YOU, 5, Filter(attributes=attribute_texts({"rare": True})))
    found = made(shelf, "item-3", "item-4", question=question)
    assert (len(found.items), found.strategy) == (5, Strategy.FOR_YOU)
    assert set(ids(found)) <= rare


def test_what_is_not_available_or_removed_is_never_shown(shelf: Shelf) -> None:
    everything = Question(Strategy.FOR_YOU, 25)
    gone = with_items(shelf, Item("item-4", available=False), Item("item-20", available=False))
    removed = Shelf(gone.signs, gone.model, 1, gone.catalogue.changed({"item-1": None}), gone.policy)
    assert not {"item-4", "item-20", "item-1"} & set(ids(made(removed, "item-3", question=everything)))
    assert "item-4" in ids(made(with_items(gone, Item("item-4")), "item-3", question=everything))


@pytest.mark.parametrize(
    ("rule", "days_ago", "shown"),
    [
        (Purchased(Again.NEVER), 900, False),
        (Purchased(Again.AFTER, 30), 10, False),
        (Purchased(Again.AFTER, 30), 31, True),
        (Purchased(Again.ALWAYS), 0, True),
    ],
)
def test_what_was_bought_comes_back_by_the_rule_of_its_category(
    shelf: Shelf, rule: Purchased, days_ago: float, shown: bool
) -> None:
    ruled = with_policy(shelf, by_category={"left": rule})
    bought = did("item-4:purchase", days_ago=days_ago)
    found = made(ruled, "item-3", "item-5", question=Question(Strategy.FOR_YOU, 25), bought=bought)
    assert ("item-4" in ids(found)) is shown


def test_one_category_does_not_fill_the_list(shelf: Shelf) -> None:
    capped = with_policy(shelf, most_of_category=0.4)
    found = made(capped, "item-3", "item-4", question=Question(Strategy.FOR_YOU, 5))
    assert sum(1 for each in ids(found) if each in {f"item-{code}" for code in range(10)}) == 2


def test_variety_moves_likes_apart(shelf: Shelf) -> None:
    assert shelf.model
    plain = made(shelf, "item-3", "item-13", question=Question(Strategy.FOR_YOU, 8))
    varied = made(with_policy(shelf, variety=0.7), "item-3", "item-13", question=Question(Strategy.FOR_YOU, 8))

    def likeness(list_: Made) -> float:
        assert shelf.model
        vectors = shelf.model.factors.vectors[[shelf.catalogue.codes[item] for item in ids(list_)[:4]]]
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return float((unit @ unit.T).sum())

    assert likeness(varied) < likeness(plain)


def test_exploration_says_how_likely_each_place_was(shelf: Shelf) -> None:
    curious = with_policy(shelf, exploration=0.5)
    person = Person(did("item-3"), [], NOW)
    last = []
    for seed in range(200):
        found = Maker(curious, TRENDING).for_person(FOR_YOU, person, random.Random(seed)).items
        assert all(each.propensity == 1 for each in found[:-1])
        last.append(found[-1])
    usual = [each for each in last if each.propensity == 0.5]
    others = [each for each in last if each.propensity < 0.5]
    assert 70 <= len(usual) <= 130
    assert len({each.product_id for each in usual}) == 1
    shares = {each.product_id: each.propensity for each in others}
    assert sum(shares.values()) == pytest.approx(0.5)


def test_a_small_shop_shows_what_is_known_rather_than_nothing(shelf: Shelf) -> None:
    everything = [f"item-{code}" for code in range(1, 21)]
    found = made(shelf, *everything, question=Question(Strategy.FOR_YOU, 4))
    assert ids(found) == ["item-0", "new", "item-1", "item-2"]
    assert [each.reason.kind for each in found.items[1:]] == [ReasonKind.TRENDING, ReasonKind.SEEN, ReasonKind.SEEN]


def test_buying_again_lists_what_was_bought_newest_first(shelf: Shelf) -> None:
    bought = [*did("item-7:purchase"), *did("item-2:purchase", "item-7:purchase", days_ago=3)]
    found = made(shelf, question=Question(Strategy.BUY_AGAIN, 5), bought=bought)
    assert ids(found) == ["item-7", "item-2"]


def test_around_an_item_stand_its_likes_and_what_is_bought_with_it(shelf: Shelf) -> None:
    maker = Maker(shelf, TRENDING)
    similar = maker.around(Question(Strategy.SIMILAR, 3), "item-4")
    assert set(ids(similar)) <= {f"item-{code}" for code in (*range(10), 20)}
    together = maker.around(Question(Strategy.TOGETHER, 3), "item-0")
    assert ids(together) == ["item-1"]
    assert together.items[0].reason.item == "item-0"
    assert ids(maker.around(Question(Strategy.TOGETHER, 3), "item-2")) == []
