"""How much sooner than Strawberry's own execution is a query answered over HTTP, and how near to a route by hand?"""

import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import msgspec

from bench.client import post, saturate
from bench.figure import Figure
from bench.house import Process, free_port, listening
from bench.memory import LIST, ONE
from gateway.settings import Settings, child_environment
from stores.embedded.process import Child

ROUNDS = 5
SECONDS = 0.8
CONNECTIONS = 16
_TARGETS = ("plans", "strawberry", "loader", "by-hand")
_ANSWERED = b'"person 0"'


async def run() -> list[Figure]:
    """Ask all four in turn, again and again: the ratios are paired inside of a round."""
    async with serving() as server:
        one, many = await measure(server, ONE), await measure(server, LIST)
    return [
        Figure("a list of 100 times 5, times Strawberry with its caches", ratio(many, "strawberry"), at_least=20),
        Figure("one profile, times Strawberry with its caches", ratio(one, "strawberry"), at_least=3),
        Figure("a list, times Strawberry with DataLoader", ratio(many, "loader")),
        Figure("one profile, times Strawberry with DataLoader", ratio(one, "loader")),
        Figure("a list, share of a route by hand", ratio(many, "by-hand"), at_least=0.55),
        Figure("one profile, share of a route by hand", ratio(one, "by-hand"), at_least=0.45),
        Figure("a list, by plans", median(many["plans"]), "queries a processor second"),
        Figure("one profile, by plans", median(one["plans"]), "queries a processor second"),
    ]


async def measure(server: Process, query: str) -> dict[str, list[float]]:
    """Return, for each target and round, the queries answered in a second of the server's processor time."""
    body = msgspec.json.encode({"query": query})
    asks = {
        name: [post(f"/{name}", body, content_type="application/json", authorization="Bearer key")] for name in _TARGETS
    }
    found: dict[str, list[float]] = {name: [] for name in _TARGETS}
    for number in range(ROUNDS + 1):
        for name in _TARGETS:
            before = server.processor_seconds()
            a_second = await saturate(server.port, asks[name], SECONDS, CONNECTIONS, _ANSWERED)
            if number:  # the first round warms up
                found[name].append(a_second * SECONDS / (server.processor_seconds() - before))
    return found


def ratio(found: dict[str, list[float]], other: str) -> float:
    """Compare plans with another target, round by round."""
    return median(ours / theirs for ours, theirs in zip(found["plans"], found[other], strict=True))


@asynccontextmanager
async def serving(module: str = "bench.memory") -> AsyncIterator[Process]:
    """Run a module that serves what is compared, in a process of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="tagway-bench-") as folder:
        child = Child(
            [sys.executable, "-m", module, str(port)],
            account=None,
            death_signal=signal.SIGTERM,
            log=Path(folder) / "served.log",
            environment=child_environment(Settings()),
        )
        await child.start()
        try:
            await listening(child, port)
            yield Process(child, port)
        finally:
            await child.stop(10)


if __name__ == "__main__":
    for figure in asyncio.run(run()):
        print(figure.name, figure.shown)
