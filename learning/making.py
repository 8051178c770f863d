"""Makes one list: pure, from a shelf, what is trending, and what a person did lately."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from domain.item import Interaction
from learning.catalogue import Mask
from learning.diversity import capped, diverse
from learning.interactions import Codes, History, Numbers, history_of
from learning.lists import Question, Reason, ReasonKind, Recommended, Strategy
from learning.model import Model
from learning.scoring import LONGEST_HISTORY, shares
from learning.shelf import Shelf
from learning.shortlist import shortlist
from learning.trending import Scored
from learning.weights import BOUGHT, WEIGHTS

_SPARE: Final = 5
"""Candidates per place, for attributes, diversity and category caps to choose from."""
_RUNNERS_UP: Final = 10
_DEEPER: Final = 8
_DEEPEST: Final = 3_000
"""Candidates looked at from which on a rare attribute is searched for no further."""
_DAY: Final = 86_400.0
_KINDS: Final = {"add_to_cart": ReasonKind.ADDED, "Product Added": ReasonKind.ADDED} | dict.fromkeys(
    BOUGHT, ReasonKind.BOUGHT
)


@dataclass(frozen=True, slots=True)
class Person:
    """What one person did lately and may be used: their newest interactions and what they bought, the newest first."""

    lately: Sequence[Interaction]
    bought: Sequence[Interaction]
    now: datetime


@dataclass(frozen=True, slots=True)
class Made:
    """A list before it has an id. With the strategy that it came to."""

    strategy: Strategy
    personalized: bool
    items: tuple[Recommended, ...]


class Maker:
    """Makes lists from one state of the shop."""

    def __init__(self, shelf: Shelf, trending: Scored) -> None:
        self._shelf = shelf
        self._trending = trending

    def for_everyone(self, question: Question) -> Made:
        """List what is trending."""
        found = self._passing(question, (item for item, _ in self._trending), set())
        reason = Reason(ReasonKind.TRENDING)
        items = tuple(Recommended(item, reason) for item, _ in zip(found, range(question.first), strict=False))
        return Made(Strategy.TRENDING, personalized=False, items=items)

    def for_person(self, question: Question, person: Person, lot: random.Random) -> Made:
        """Make the list of someone who has agreed; what is trending where nothing is known of them."""
        if question.strategy is Strategy.BUY_AGAIN:
            return self._again(question, person)
        history = history_of(person.lately[:LONGEST_HISTORY], self._shelf.catalogue.codes)
        if question.strategy is Strategy.TRENDING or not person.lately:
            return self.for_everyone(question)
        hidden, again = self._bought(person)
        chosen = self._modelled(question, person, history, hidden, again) if len(history.items) else []
        if not chosen:
            return self.for_everyone(question)
        chosen = self._filled(question, person, chosen, hidden)
        return Made(Strategy.FOR_YOU, personalized=True, items=self._explored(chosen, question.first, lot))

    def around(self, question: Question, item: str) -> Made:
        """List what is similar to an item or bought together with it; nothing where the model does not know it."""
        model, code = self._shelf.model, self._shelf.catalogue.codes.get(item)
        if model is None or code is None:
            return Made(question.strategy, personalized=False, items=())
        if question.strategy is Strategy.TOGETHER:
            kind = ReasonKind.TOGETHER
            others = model.together.items[code][model.together.orders[code] > 0]
        else:
            kind = ReasonKind.SIMILAR
            others = model.neighbours.items[code][model.neighbours.weights[code] > 0]
        found = self._passing(question, (model.item_ids[other] for other in others), {item})
        reason = Reason(kind, item)
        items = tuple(Recommended(each, reason) for each, _ in zip(found, range(question.first), strict=False))
        return Made(question.strategy, personalized=False, items=items)

    def _again(self, question: Question, person: Person) -> Made:
        bought = dict.fromkeys(each.item for each in person.bought)
        reason = Reason(ReasonKind.AGAIN)
        items = [Recommended(item, reason) for item in self._passing(question, bought, set())]
        return Made(Strategy.BUY_AGAIN, personalized=True, items=tuple(items[: question.first]))

    def _bought(self, person: Person) -> tuple[set[str], set[str]]:
        """Tell which bought items must not be shown, and which may be although the person knows them."""
        newest: dict[str, datetime] = {}
        for each in person.bought:
            newest.setdefault(each.item, each.at)
        hidden: set[str] = set()
        again: set[str] = set()
        for item, at in newest.items():
            rule = self._shelf.policy.rule_of(self._shelf.catalogue.item(item).category)
            days_ago = (person.now - at).total_seconds() / _DAY
            (again if rule.allows(days_ago) else hidden).add(item)
        return hidden, again

    def _modelled(
        self, question: Question, person: Person, history: History, hidden: set[str], again: set[str]
    ) -> list[Recommended]:
        model, catalogue, policy = self._shelf.model, self._shelf.catalogue, self._shelf.policy
        if model is None:
            return []
        allowed = catalogue.allowed(question.filter)
        known = {each.item for each in person.lately} | hidden
        allowed[[catalogue.codes[item] for item in known - again if item in catalogue.codes]] = False
        codes, scores = self._candidates(model, question, history, allowed)
        if not len(codes):
            return []
        categories = [catalogue.item(model.item_ids[code]).category for code in codes]
        order = diverse(scores, model.factors.vectors[codes], policy.variety)
        wanted = question.first + (_RUNNERS_UP if policy.exploration else 0)
        places = capped(order, categories, wanted, policy.most_of_category)
        return self._with_reasons(model, codes[places], history, person)

    def _candidates(self, model: Model, question: Question, history: History, allowed: Mask) -> tuple[Codes, Numbers]:
        """Find the best that pass the whole filter. Attributes are read item by item, so only as far down as needed."""
        enough = look_at = _SPARE * question.first + _RUNNERS_UP
        while True:
            codes, scores = shortlist(model.neighbours, model.factors, history, model.recipe.blend, allowed, look_at)
            items = (self._shelf.catalogue.item(model.item_ids[code]) for code in codes)
            passing = np.array([question.filter.allows(item) for item in items], np.bool_)
            if passing.sum() >= enough or len(codes) < look_at or look_at >= _DEEPEST:
                return codes[passing][:enough], scores[passing][:enough]
            look_at *= _DEEPER

    def _with_reasons(self, model: Model, codes: Codes, history: History, person: Person) -> list[Recommended]:
        loud = shares(history, model.recipe.blend.half_life)
        newest, chosen = _newest(person.lately), []
        for code, source in zip(codes, model.neighbours.loudest(codes, history.items, loud), strict=True):
            reason = Reason(ReasonKind.TASTE)
            if source is not None:
                because = model.item_ids[source]
                reason = Reason(_KINDS.get(newest[because].name, ReasonKind.VIEWED), because)
            chosen.append(Recommended(model.item_ids[code], reason))
        return chosen

    def _filled(
        self, question: Question, person: Person, chosen: list[Recommended], hidden: set[str]
    ) -> list[Recommended]:
        """Fill a short list up: with what is trending, then with what the person knows already."""
        if len(chosen) >= question.first:
            return chosen
        known = {each.item for each in person.lately}
        listed = {each.product_id for each in chosen} | hidden
        for kind, source, left_out in (
            (ReasonKind.TRENDING, [item for item, _ in self._trending], known),
            (ReasonKind.SEEN, list(_newest(person.lately)), set()),
        ):
            found = self._passing(question, source, listed | left_out)
            missing = question.first - len(chosen)
            more = [Recommended(item, Reason(kind)) for item, _ in zip(found, range(missing), strict=False)]
            chosen = chosen + more
            listed |= {each.product_id for each in more}
        return chosen

    def _explored(self, chosen: list[Recommended], first: int, lot: random.Random) -> tuple[Recommended, ...]:
        """Give the last place to a runner-up now and then, and say how likely that was."""
        shown, waiting, share = chosen[:first], chosen[first:], self._shelf.policy.exploration
        if not (share and waiting and len(shown) == first):
            return tuple(shown)
        if lot.random() < share:
            last, propensity = lot.choice(waiting), share / len(waiting)
        else:
            last, propensity = shown[-1], 1 - share
        return (*shown[:-1], Recommended(last.product_id, last.reason, propensity))

    def _passing(self, question: Question, items: Iterable[str], left_out: set[str]) -> Iterator[str]:
        """Give the items that may be shown, in their order."""
        catalogue = self._shelf.catalogue
        for item in items:
            if item not in left_out and question.filter.allows(catalogue.item(item)):
                yield item


def _newest(lately: Sequence[Interaction]) -> dict[str, Interaction]:
    """Find each item's newest interaction that says it is wanted."""
    found: dict[str, Interaction] = {}
    for each in lately:
        if WEIGHTS.get(each.name, 0) > 0:
            found.setdefault(each.item, each)
    return found
