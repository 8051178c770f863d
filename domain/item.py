"""What a shop offers, and what people did with it."""

from datetime import datetime
from typing import Any, Final

import msgspec

LONGEST: Final = {"id": 200, "name": 500, "category": 200, "image_url": 2_000}
"""How many characters the fields of an item may have. An event that names a longer id names no item."""

DEAREST: Final = 1e15
"""What no price is above, in whichever currency."""


class Item(msgspec.Struct, frozen=True):
    """One thing that can be recommended. Without `available` it is never shown."""

    id: str
    name: str | None = None
    category: str | None = None
    price: float | None = None
    image_url: str | None = None
    available: bool = True
    attributes: dict[str, Any] = {}


class Interaction(msgspec.Struct, frozen=True):
    """One event of one person about one item, by the event's name."""

    item: str
    name: str
    at: datetime
    rating: float | None = None


def fault_of(item: Item) -> tuple[str, str] | None:
    """Tell what keeps an item out of the catalogue: the field, and what it must be. None where nothing does."""
    for name, longest in LONGEST.items():
        text, least = getattr(item, name), 1 if name == "id" else 0
        if text is not None and not least <= len(text) <= longest:
            return name, f"{least} to {longest:,} characters."
    if item.price is not None and not 0 <= item.price <= DEAREST:
        return "price", f"From 0 to {DEAREST:,.0f}."
    return None
