"""How many more messages does a processor second carry to a crowd that follows the same, than by Strawberry's own?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median

import aiohttp

from bench.crowd import WATCH
from bench.figure import Figure
from bench.house import Process
from bench.plans import serving

FOLLOWERS = 200
CHANGES = 40
ROUNDS = 5
_TARGETS = ("plans", "strawberry")


async def run() -> list[Figure]:
    """Tell both crowds in turn, again and again: the ratio is paired inside of a round."""
    found: dict[str, list[float]] = {name: [] for name in _TARGETS}
    async with serving("bench.crowd") as server, _unlimited() as http, AsyncExitStack() as open_:
        crowds = {name: await open_.enter_async_context(crowd(http, server.port, name)) for name in _TARGETS}
        for number in range(ROUNDS + 1):
            for name in _TARGETS:
                a_second = await tell(http, server, name, crowds[name], number)
                if number:  # the first round warms up
                    found[name].append(a_second)
    ratios = [ours / theirs for ours, theirs in zip(found["plans"], found["strawberry"], strict=True)]
    return [
        Figure(f"one change to {FOLLOWERS} sockets, times Strawberry's own", median(ratios), at_least=8),
        Figure("by shared plans", median(found["plans"]), "messages a processor second"),
        Figure("by Strawberry", median(found["strawberry"]), "messages a processor second"),
    ]


async def tell(
    http: aiohttp.ClientSession, server: Process, name: str, sockets: list[aiohttp.ClientWebSocketResponse], round_: int
) -> float:
    """Return how many messages reached the crowd in a second of the server's processor time."""
    before = server.processor_seconds()
    for number in range(CHANGES):
        change = round_ * CHANGES + number
        async with http.post(f"http://127.0.0.1:{server.port}/tell/{name}", json=[change]) as response:
            followers = int(await response.text())
        for message in await asyncio.gather(*(socket.receive_str(timeout=30) for socket in sockets)):
            if f"m-{change}" not in message or followers != FOLLOWERS:
                raise RuntimeError("a message went astray")
    return FOLLOWERS * CHANGES / (server.processor_seconds() - before)


@asynccontextmanager
async def crowd(
    http: aiohttp.ClientSession, port: int, name: str
) -> AsyncIterator[list[aiohttp.ClientWebSocketResponse]]:
    """Open sockets that all follow the same."""
    async with AsyncExitStack() as open_:
        sockets = [
            await open_.enter_async_context(
                http.ws_connect(f"http://127.0.0.1:{port}/{name}", protocols=["graphql-transport-ws"])
            )
            for _ in range(FOLLOWERS)
        ]
        for socket in sockets:
            await socket.send_json({"type": "connection_init", "payload": {"token": "key"}})
            await socket.receive_str(timeout=10)
            await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": WATCH}})
        await asyncio.sleep(1)
        yield sockets


def _unlimited() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
