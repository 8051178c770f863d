"""How fast one gateway process collects, beside a bare Starlette route that only reads the same body.

`python bench/collect.py [seconds]`: batches of 20 events of 1 KB about known people, stores of its own, durable acks.
Each server is a process of its own; both are asked in turn within one run, so that the ratio means something.
"""

import asyncio
import base64
import multiprocessing
import os
import random
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import msgspec
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from domain.clock import utc_now
from domain.key import KeyKind
from gateway.serve import serve
from gateway.settings import Settings
from privacy.keys import LocalMasterKey, new_key
from privacy.plan import default_document
from stores.embedded.postgres import EmbeddedPostgres
from stores.embedded.valkey import EmbeddedValkey
from stores.keys import create_key
from stores.migrate import migrate
from stores.postgres import Database
from stores.workspaces import create_workspace

EVENTS = 20
CONNECTIONS = 16
BODIES = 50
PEOPLE = 500
ROUNDS = 3
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
MASTER_KEY = bytes(range(32))


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    uvloop.run(measure(seconds))


async def measure(seconds: float) -> None:
    """Print events per second of both servers, and their ratio, over a few rounds."""
    async with stores() as settings:
        key = await make_key(settings)
        gateway, bare = process(run_gateway, settings), process(run_bare, settings)
        try:
            for server in (gateway, bare):
                await until_alive(server[1])
            bodies = [make_body(key) for _ in range(BODIES)]
            await load(gateway[1], bodies, 1.0)
            rates, of_processor = [], []
            for _ in range(ROUNDS):
                used = processor_seconds(gateway[0])
                rates.append((await load(gateway[1], bodies, seconds), await load(bare[1], bodies, seconds)))
                of_processor.append(rates[-1][0] * seconds / (processor_seconds(gateway[0]) - used))
        finally:
            for server in (gateway, bare):
                server[0].terminate()
                server[0].join()
    collected, read = (sorted(rate)[ROUNDS // 2] for rate in zip(*rates, strict=True))
    print(f"collect  {collected:>10,.0f} events/s  (bar 8,000)")
    print(f"         {sorted(of_processor)[ROUNDS // 2]:>10,.0f} events per second of the gateway's own processor time")
    print(f"bare     {read:>10,.0f} events/s  (same bodies, only read)")
    print(f"ratio    {collected / read:>10.2f}           (bar 0.25)")


def run_gateway(settings: Settings) -> None:
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for the life of the process
    uvloop.run(serve(settings))


def run_bare(settings: Settings) -> None:
    async def read(request: Request) -> JSONResponse:
        return JSONResponse({"size": len(await request.body())})

    app = Starlette(
        routes=[Route("/v1/batch", read, methods=["POST"]), Route("/healthz", lambda _request: JSONResponse({}))]
    )
    uvicorn.run(app, host=settings.host, port=settings.port, http="httptools", loop="uvloop", log_level="error")


def process(target: Callable[[Settings], None], settings: Settings) -> tuple[BaseProcess, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    child = multiprocessing.get_context("spawn").Process(
        target=target, args=(msgspec.structs.replace(settings, port=port),), daemon=True
    )
    child.start()
    return child, f"http://127.0.0.1:{port}"


def processor_seconds(child: BaseProcess) -> float:
    """Processor time of a child so far, which other work on the machine does not change. Linux only."""
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def make_home() -> Path:
    """Make a folder that the servers' unprivileged account may pass through."""
    home = Path(tempfile.mkdtemp(prefix="tagway-bench-"))
    home.chmod(0o711)
    return home


@asynccontextmanager
async def stores() -> AsyncIterator[Settings]:
    """Start durable stores in a folder of their own."""
    home = make_home()
    postgres, valkey = EmbeddedPostgres(home / "postgres"), EmbeddedValkey(home / "valkey")
    try:
        await postgres.start()
        await valkey.start()
        await migrate(postgres.url)
        master_key = base64.b64encode(MASTER_KEY).decode()
        yield Settings(postgres_url=postgres.url, redis_url=valkey.url, master_key=master_key, data=home)
    finally:
        await valkey.stop()
        await postgres.stop()
        shutil.rmtree(home)


async def make_key(settings: Settings) -> str:
    database = await Database.open(str(settings.postgres_url), role="worker", max_size=1)
    workspace: UUID = uuid4()
    wrapped, now = LocalMasterKey(MASTER_KEY).wrap(new_key()), utc_now()
    async with database.across() as connection:
        await create_workspace(connection, workspace, "bench", wrapped_key=wrapped, plan=default_document(), at=now)
        _, key = await create_key(connection, workspace, KeyKind.WRITE, "bench", at=now)
    await database.close()
    return key


async def until_alive(url: str) -> None:
    async with asyncio.timeout(30), aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(url + "/healthz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


async def load(url: str, bodies: list[bytes], seconds: float) -> float:
    """Post batches over all connections for a while; return events per second."""
    deadline = time.perf_counter() + seconds
    started = time.perf_counter()
    counts = await asyncio.gather(*(post(url, bodies, deadline) for _ in range(CONNECTIONS)))
    return sum(counts) / (time.perf_counter() - started)


async def post(url: str, bodies: list[bytes], deadline: float) -> int:
    sent = 0
    async with aiohttp.ClientSession() as http:
        while time.perf_counter() < deadline:
            body = random.choice(bodies)
            async with http.post(url + "/v1/batch", data=body, headers={"Content-Type": "text/plain"}) as response:
                answer = await response.read()
                assert response.status == 200, answer
                assert b'"accepted":20' in answer or b'"size"' in answer, answer
            sent += EVENTS
    return sent


def make_body(key: str) -> bytes:
    return msgspec.json.encode({"batch": [make_event() for _ in range(EVENTS)], "writeKey": key})


def make_event() -> dict[str, object]:
    """An event as a browser sends it: about 1 KB, one in ten with an address in its text."""
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


if __name__ == "__main__":
    main()
