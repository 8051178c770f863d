"""An event of 1 KB as a browser sends it."""

import random
from typing import Any
from uuid import uuid4

from domain.consent import Purpose

EVENTS = 20
"""In one batch."""
PEOPLE = 500
GRANTED = (Purpose.FUNCTIONAL, Purpose.ANALYTICS, Purpose.PERSONALIZATION)
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"


def make_event() -> dict[str, Any]:
    """Make one by one of some people, one in ten with an address in its text."""
    number = random.randrange(PEOPLE)
    query = "write to someone@shop.example please" if random.random() < 0.1 else "warm winter coat with a hood"
    return {
        "type": "track",
        "event": "product_view",
        "messageId": str(uuid4()),
        "anonymousId": f"5f0c7a1e-0000-4000-8000-{number:012d}",
        "timestamp": "2026-05-01T12:00:00.000Z",
        "sentAt": "2026-05-01T12:00:01.000Z",
        "properties": {
            "product_id": f"sku-{number}",
            "category": "coats",
            "view_time": 12.5,
            "name": "Winter coat",
            "brand": "North",
            "variant": "green",
            "price": 129.9,
            "currency": "EUR",
            "query": query,
            "url": f"https://shop.example/coats/{number}?utm_source=mail&session=abcdef0123456789",
        },
        "context": {
            "page": {
                "path": f"/coats/{number}",
                "referrer": "https://search.example/?q=coat",
                "search": "?utm_source=mail",
                "title": "Winter coat in green",
                "url": f"https://shop.example/coats/{number}?utm_source=mail",
            },
            "userAgent": AGENT,
            "locale": "en-GB",
            "timezone": "Europe/Berlin",
            "screen": {"width": 1920, "height": 1080},
            "library": {"name": "tagway", "version": "0.1.0"},
            "consent": {"categoryPreferences": dict.fromkeys(GRANTED, True)},
        },
    }
