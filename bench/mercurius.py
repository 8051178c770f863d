"""How near do plans come to Node's fastest GraphQL server, Mercurius with its JIT, where Node is present?"""

import asyncio
import hashlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

import msgspec

from bench.client import Connection, post, saturate
from bench.figure import Figure
from bench.house import Process, free_port, listening
from bench.memory import LIST, ONE
from bench.plans import serving
from stores.embedded.process import Child

AT_MOST_SECONDS = 600
"""The first run also fetches the packages."""

ROUNDS = 5
ROUND_SECONDS = 0.6
BURST_SECONDS = 0.4
CONNECTIONS = 16
WARM_SECONDS = 3.0
"""Of processor time, as a round's are: V8 compiles what it sees run often."""
_PLACE = Path(__file__).with_name("node")
_ANSWERED = b'"person 0"'
_PATHS = {"plans": "/plans", "jit": "/graphql", "loaders": "/graphql"}


async def run() -> list[Figure]:
    """Ask all three in turn, each in a process of its own: the ratios are paired inside of a round."""
    if lack := await _install():
        return [Figure(lack, None)]
    async with AsyncExitStack() as open_:
        servers = {
            "plans": await open_.enter_async_context(serving()),
            "jit": await open_.enter_async_context(_mercurius("jit")),
            "loaders": await open_.enter_async_context(_mercurius("loaders")),
        }
        one, many = await measure(servers, ONE), await measure(servers, LIST)
    return [
        Figure("a list of 100 times 5, times Mercurius with its JIT", ratio(many, "jit"), at_least=0.6),
        Figure("a list, times Mercurius with its JIT and loaders", ratio(many, "loaders"), at_least=1),
        Figure("one profile, times Mercurius with its JIT", ratio(one, "jit")),
        Figure("one profile, times Mercurius with its JIT and loaders", ratio(one, "loaders")),
        Figure("a list, by plans", median(many["plans"]), "queries a processor second"),
        Figure("a list, by Mercurius with its JIT", median(many["jit"]), "queries a processor second"),
        Figure("a list, by Mercurius with its JIT and loaders", median(many["loaders"]), "queries a processor second"),
    ]


async def measure(servers: dict[str, Process], query: str) -> dict[str, list[float]]:
    """Return, for each server and round, the queries answered in a second of its processor time.

    Raises `RuntimeError` unless all of them answer the same.
    """
    body = msgspec.json.encode({"query": query})
    asks = {
        name: post(path, body, content_type="application/json", authorization="Bearer key")
        for name, path in _PATHS.items()
    }
    answers = [msgspec.json.decode(await _ask(servers[name].port, ask))["data"] for name, ask in asks.items()]
    if any(each != answers[0] for each in answers):
        raise RuntimeError("the servers do not answer the same")
    for name, server in servers.items():
        await _rate(server, asks[name], WARM_SECONDS)
    found: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(ROUNDS):
        for name, server in servers.items():
            found[name].append(await _rate(server, asks[name], ROUND_SECONDS))
    return found


def ratio(found: dict[str, list[float]], other: str) -> float:
    """Compare plans with another server, round by round."""
    return median(ours / theirs for ours, theirs in zip(found["plans"], found[other], strict=True))


async def _rate(server: Process, ask: bytes, seconds: float) -> float:
    """Ask until the server has used so many seconds of the processor, however long others keep it from them."""
    answered, used, before = 0.0, 0.0, server.processor_seconds()
    while used < seconds:
        answered += BURST_SECONDS * await saturate(server.port, [ask], BURST_SECONDS, CONNECTIONS, _ANSWERED)
        used = server.processor_seconds() - before
    return answered / used


async def _ask(port: int, request: bytes) -> bytes:
    connection = await Connection.open(port)
    answer = await connection.ask(request)
    connection.close()
    return answer


@asynccontextmanager
async def _mercurius(kind: str) -> AsyncIterator[Process]:
    port, program = free_port(), shutil.which("node")
    assert program
    with tempfile.TemporaryDirectory(prefix="tagway-bench-") as folder:
        child = Child(
            [program, str(_PLACE / "serve.mjs"), str(port), kind],
            account=None,
            death_signal=signal.SIGTERM,
            log=Path(folder) / "served.log",
            environment={"PATH": os.environ["PATH"], "NODE_ENV": "production"},
        )
        await child.start()
        try:
            await listening(child, port)
            yield Process(child, port)
        finally:
            await child.stop(10)


async def _install() -> str | None:
    """Fetch the packages of the lock, unless they are there; tell what is lacking."""
    if not shutil.which("node"):
        return "Node is not installed"
    stamp = _PLACE / "node_modules" / ".tagway"
    state = hashlib.sha256((_PLACE / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == state:
        return None
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    fetching = await asyncio.create_subprocess_exec(
        *(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"), cwd=_PLACE
    )
    if await fetching.wait():
        return "npm could not fetch Mercurius"
    stamp.write_text(state)
    return None
