"""How soon does a subscriber have the segment change that a POST brought about, at 500 events a second?"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp

from bench.client import Connection, pace
from bench.figure import Figure, quantile
from bench.hop import hop
from bench.house import House, open_house

PEOPLE_A_SECOND = 100
SECONDS = 8
EVENT_NAMES = ["product_view"] * 3 + ["search", "page_view"]
"""One batch: three views that make someone a member, and two events that nobody asks about."""
PEOPLE = PEOPLE_A_SECOND * SECONDS
WATCH = """subscription { segmentChanges(segmentKeys: ["keen"]) { kind cause } }"""


async def run() -> list[Figure]:
    """Let known people enter one of 20 segments, one in each batch, and time each entry from when its POST was due."""
    async with open_house() as house, house.serve() as gateway, house.build():
        others = {f"views_{n}": {**views("checkout_start"), "n": n} for n in range(1, 20)}
        await house.save_segments(gateway, {"keen": views("product_view"), **others})
        connection = await Connection.open(gateway.port)
        await connection.ask(house.batch([event(person, "page_view", str(uuid4())) for person in range(PEOPLE)]))
        connection.close()
        before = await hop(house, PEOPLE_A_SECOND, len(EVENT_NAMES))
        waits = await follow(house, gateway.port)
        bare = [*before, *await hop(house, PEOPLE_A_SECOND, len(EVENT_NAMES))]
    p99, bare_p99 = quantile(waits, 0.99), quantile(bare, 0.99)
    return [
        Figure("p99", p99, "ms", at_most=100),
        Figure("or that many times a bare log and Redis hop", p99 / bare_p99, at_most=5),
        Figure("p50", quantile(waits, 0.5), "ms"),
        Figure("p99 of the bare hop", bare_p99, "ms"),
        Figure("p50 of the bare hop", quantile(bare, 0.5), "ms"),
    ]


async def follow(house: House, port: int) -> list[float]:
    """Post everyone's batch while a subscriber listens; return milliseconds from due to heard."""
    marks = [str(uuid4()) for _ in range(PEOPLE)]
    posts = [
        house.batch(
            [event(person, name, mark if number == 2 else str(uuid4())) for number, name in enumerate(EVENT_NAMES)]
        )
        for person, mark in enumerate(marks)
    ]
    async with watching(house, port) as changes:
        posting = asyncio.create_task(pace(port, posts, PEOPLE_A_SECOND, b'"accepted":5'))
        heard: dict[str, float] = {}
        async with asyncio.timeout(60):
            async for change in changes:
                heard[change["cause"]["event"]] = time.perf_counter()
                if len(heard) == PEOPLE:
                    break
        due = [each for each, _ in await posting]
    return [(heard[mark] - at) * 1e3 for mark, at in zip(marks, due, strict=True)]


@asynccontextmanager
async def watching(house: House, port: int) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Subscribe by graphql-transport-ws, and yield the changes after the snapshot."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"ws://127.0.0.1:{port}/graphql", protocols=["graphql-transport-ws"]) as socket,
    ):
        await socket.send_json({"type": "connection_init", "payload": {"token": house.secret_key}})
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": WATCH}})

        async def changes() -> AsyncIterator[dict[str, Any]]:
            while True:
                message = await socket.receive_json()
                if message["type"] == "next":
                    yield message["payload"]["data"]["segmentChanges"]

        told = changes()
        async for change in told:
            if change["kind"] == "SNAPSHOT_END":
                break
        yield told


def views(name: str) -> dict[str, Any]:
    """Define a segment: three such events within a day."""
    return {"type": "count", "event": name, "op": ">=", "n": 3, "window": "24h"}


def event(person: int, name: str, message_id: str) -> dict[str, Any]:
    """An event of someone's browser."""
    properties = {"product_id": "sku-1", "category": "coats"}
    who = {"anonymousId": f"browser-{person}"}
    return {"type": "track", "event": name, "messageId": message_id, "properties": properties, **who}
