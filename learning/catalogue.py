"""The items of a workspace in memory, as a dictionary and as columns by a model's codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.item import Item
from learning.interactions import Numbers

Mask = NDArray[np.bool_]


class Filter(msgspec.Struct, frozen=True):
    """What a list may hold. Attributes are (name, JSON text of the value), so that a filter can be a key."""

    categories: frozenset[str] = frozenset()
    """Empty allows all."""
    exclude: frozenset[str] = frozenset()
    """Items left out."""
    price_from: float | None = None
    price_to: float | None = None
    attributes: tuple[tuple[str, str], ...] = ()

    def allows(self, item: Item) -> bool:
        """Tell whether one item passes. What has no price passes no bound of prices."""
        if not item.available or item.id in self.exclude or (self.categories and item.category not in self.categories):
            return False
        if (self.price_from is not None or self.price_to is not None) and item.price is None:
            return False
        price = item.price or 0.0
        return (
            (self.price_from is None or price >= self.price_from)
            and (self.price_to is None or price <= self.price_to)
            and all(
                name in item.attributes and _text(item.attributes[name]) == value for name, value in self.attributes
            )
        )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every item by its id (None: removed), and for those that a model has a code for: availability, price, category.

    What a model knows and the catalogue does not is shown as a bare id: events come before catalogues.
    """

    items: Mapping[str, Item | None]
    codes: Mapping[str, int]
    available: Mask
    prices: Numbers
    """NaN where there is none."""
    categories: NDArray[np.int32]
    """Codes of their own, -1 where there is none."""
    category_codes: Mapping[str, int]

    @classmethod
    def of(cls, items: Mapping[str, Item | None], item_ids: tuple[str, ...]) -> Self:
        """Lay items out by the codes of a model."""
        count = len(item_ids)
        empty = cls(
            {},
            {item: code for code, item in enumerate(item_ids)},
            np.ones(count, np.bool_),
            np.full(count, np.nan, np.float32),
            np.full(count, -1, np.int32),
            {},
        )
        return empty.changed(items)

    def changed(self, changes: Mapping[str, Item | None]) -> Self:
        """Return the catalogue with some items as they are now; None is for those that were removed."""
        items, category_codes = dict(self.items), dict(self.category_codes)
        available, prices, categories = self.available.copy(), self.prices.copy(), self.categories.copy()
        for id_, item in changes.items():
            items[id_] = item
            code = self.codes.get(id_)
            if code is not None:
                available[code] = item is not None and item.available
                prices[code] = np.nan if item is None or item.price is None else item.price
                category = item.category if item else None
                categories[code] = -1 if category is None else category_codes.setdefault(category, len(category_codes))
        return type(self)(items, self.codes, available, prices, categories, category_codes)

    def item(self, id_: str) -> Item:
        """Give an item: a bare one where the catalogue does not know it, one that is not available where removed."""
        return self.items.get(id_, Item(id_)) or Item(id_, available=False)

    def allowed(self, filter_: Filter) -> Mask:
        """Tell of every code whether it passes a filter, but for attributes, which are compared one by one later."""
        mask = self.available.copy()
        if filter_.categories:
            wanted = [self.category_codes[each] for each in filter_.categories if each in self.category_codes]
            mask &= np.isin(self.categories, wanted)
        if filter_.price_from is not None:
            mask &= self.prices >= filter_.price_from
        if filter_.price_to is not None:
            mask &= self.prices <= filter_.price_to
        for id_ in filter_.exclude:
            if id_ in self.codes:
                mask[self.codes[id_]] = False
        return mask


def attribute_texts(attributes: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Write wanted attributes so that they can be compared and be part of a key."""
    return tuple(sorted((name, _text(value)) for name, value in attributes.items()))


def _text(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
