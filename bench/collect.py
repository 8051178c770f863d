"""How many events of 1 KB, in batches of 20, does one gateway process accept for good, over its whole path?"""

import random
from statistics import median
from typing import Any
from uuid import uuid4

from bench.client import saturate
from bench.figure import Figure
from bench.house import open_house

EVENTS = 20
CONNECTIONS = 16
REQUESTS = 50
PEOPLE = 500
ROUNDS = 3
SECONDS = 3.0
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"


async def run() -> list[Figure]:
    """Ask the gateway and a bare route in turn, and compare the medians."""
    async with open_house() as house, house.serve() as gateway, house.run("bench.bare") as bare:
        requests = [house.batch([make_event() for _ in range(EVENTS)]) for _ in range(REQUESTS)]
        await saturate(gateway.port, requests, 1.0, CONNECTIONS, b'"accepted":20')
        rates, reads, of_processor = [], [], []
        for _ in range(ROUNDS):
            used = gateway.processor_seconds()
            rates.append(EVENTS * await saturate(gateway.port, requests, SECONDS, CONNECTIONS, b'"accepted":20'))
            of_processor.append(rates[-1] * SECONDS / (gateway.processor_seconds() - used))
            reads.append(EVENTS * await saturate(bare.port, requests, SECONDS / 2, CONNECTIONS, b'"size"'))
    return [
        Figure("accepted, durable", median(rates), "events/s", at_least=8_000),
        Figure("the same per second of the gateway's processor time", median(of_processor), "events/s"),
        Figure("share of what a bare Starlette route reads", median(rates) / median(reads), at_least=0.25),
    ]


def make_event() -> dict[str, Any]:
    """An event as a browser sends it, one in ten with an address in its text."""
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
            "consent": {"categoryPreferences": {"functional": True, "analytics": True, "personalization": True}},
        },
    }
