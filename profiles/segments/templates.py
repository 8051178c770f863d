"""Segments that most shops want, ready to be saved as they are or changed first.

They speak of the events of the demo shop: `product_view` with a `product_id`, `add_to_cart`, `purchase` with a `value`.
"""

from functools import cached_property
from typing import Any, Final

import msgspec

from domain.segment import Definition
from profiles.segments.words import parse_text


class Template(msgspec.Struct, frozen=True, dict=True):
    """One ready-made segment, in words."""

    key: str
    name: str
    description: str
    text: str

    @cached_property
    def definition(self) -> Definition:
        """Return the tree."""
        return parse_text(self.text)

    @property
    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return as_json(self.definition)


def as_json(definition: Definition) -> dict[str, Any]:
    """Write a definition as JSON, without what says nothing."""
    found: dict[str, Any] = _spare(msgspec.to_builtins(definition))
    return found


def _spare(raw: Any) -> Any:
    if isinstance(raw, list | tuple):
        return [_spare(each) for each in raw]
    if not isinstance(raw, dict):
        return raw
    return {
        name: _spare(each)
        for name, each in raw.items()
        if not (name == "where" and not each) and not (each is None and name != "value")
    }


TEMPLATES: Final[tuple[Template, ...]] = (
    Template(
        "engaged-buyer",
        "Engaged buyers",
        "Viewed a product and put one in the cart lately, and bought nothing in the last 24 hours.",
        "count(product_view) in 7d >= 1 and count(add_to_cart) in 7d >= 1 and count(purchase) in 24h == 0",
    ),
    Template(
        "repeat-buyer",
        "Repeat buyers",
        "Bought at least twice in the last 90 days.",
        "count(purchase) in 90d >= 2",
    ),
    Template(
        "inactive-30-days",
        "Inactive for 30 days",
        "Did something in the last year, but neither saw a page or product, nor carted or bought in the last 30 days.",
        "(count(page) in 365d >= 1 or count(page_view) in 365d >= 1 or count(product_view) in 365d >= 1 "
        "or count(purchase) in 365d >= 1) and count(page) in 30d == 0 and count(page_view) in 30d == 0 "
        "and count(product_view) in 30d == 0 and count(add_to_cart) in 30d == 0 and count(purchase) in 30d == 0",
    ),
    Template(
        "highly-engaged",
        "Highly engaged",
        "Viewed one product more than three times in 24 hours.",
        "count(product_view by product_id) in 24h > 3",
    ),
    Template(
        "cart-abandoner",
        "Cart abandoners",
        "Put something in the cart in the last 30 days, and did not buy within 24 hours or since.",
        "did(add_to_cart) then not(purchase) within 24h in 30d",
    ),
    Template(
        "frequent-browser",
        "Frequent browsers",
        "Viewed at least ten different products in a week.",
        "distinct(product_id of product_view) in 7d >= 10",
    ),
    Template(
        "high-value",
        "High value",
        "Bought for at least 500 in the last year.",
        "sum(value of purchase) in 365d >= 500",
    ),
)
