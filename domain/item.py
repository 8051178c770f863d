"""What a shop offers, and what people did with it."""

from datetime import datetime
from typing import Any

import msgspec


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
