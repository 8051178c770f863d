"""What a shop offers, and what people did with it."""

from datetime import datetime
from typing import Any, Final

import msgspec

LONGEST: Final = {"id": 200, "name": 500, "category": 200, "image_url": 2_000}
"""How many characters the fields of an item may have. An event that names a longer id names no item."""


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
