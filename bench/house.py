"""What benches run against: durable stores in a folder of their own, and our processes beside them on loopback."""

import asyncio
import base64
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec

from bench.client import Connection, post
from domain.clock import utc_now
from domain.key import KeyKind, Scope
from gateway.settings import Settings, child_environment
from privacy.keys import LocalMasterKey, WorkspaceKeys, new_key
from privacy.plan import default_document
from stores.embedded.postgres import EmbeddedPostgres
from stores.embedded.process import Child
from stores.embedded.valkey import EmbeddedValkey
from stores.keys import create_key
from stores.migrate import migrate
from stores.postgres import Database
from stores.workspaces import create_workspace

_MASTER_KEY = bytes(range(32))
_READY_WITHIN = 60.0
_SAVE = "mutation ($input: SaveSegmentInput!) { saveSegment(input: $input) { __typename } }"
_STATUSES = "query { segments(first: 100) { edges { node { status } } } }"


@dataclass(frozen=True, slots=True)
class House:
    """Running stores with one workspace, and the keys to it."""

    settings: Settings
    workspace: UUID
    keys: WorkspaceKeys
    write_key: str
    secret_key: str

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Process"]:
        """Run a gateway."""
        async with self.run("gateway.cli.main", "serve") as gateway:
            yield gateway

    @asynccontextmanager
    async def build(self) -> AsyncIterator["Process"]:
        """Run a builder."""
        async with self.run("gateway.cli.main", "build", serves=False) as builder:
            yield builder

    @asynccontextmanager
    async def run(self, module: str, *arguments: str, serves: bool = True) -> AsyncIterator["Process"]:
        """Run a module of ours as a process; one that serves is waited for."""
        settings = msgspec.structs.replace(self.settings, port=free_port())
        child = Child(
            [sys.executable, "-m", module, *arguments],
            account=None,
            death_signal=signal.SIGTERM,
            log=settings.data / f"{module}-{settings.port}.log",
            environment=child_environment(settings),
        )
        await child.start()
        try:
            if serves:
                await listening(child, settings.port)
            yield Process(child, settings.port)
        finally:
            await child.stop(10)

    def graphql(self, query: str, **variables: Any) -> bytes:
        """Write a GraphQL request with the secret key."""
        body = msgspec.json.encode({"query": query, "variables": variables})
        return post("/graphql", body, content_type="application/json", authorization=f"Bearer {self.secret_key}")

    async def save_segments(self, gateway: "Process", definitions: dict[str, Any]) -> None:
        """Save segments and wait until a builder has made them live."""
        connection = await Connection.open(gateway.port)
        for key, definition in definitions.items():
            await connection.ask(self.graphql(_SAVE, input={"key": key, "name": key, "definition": definition}))
        async with asyncio.timeout(_READY_WITHIN):
            live = b'"LIVE"'
            while (await connection.ask(self.graphql(_STATUSES))).count(live) < len(definitions):  # noqa: ASYNC110 - as users do
                await asyncio.sleep(0.1)
        connection.close()

    def batch(self, events: list[dict[str, Any]]) -> bytes:
        """Write a request that collects events, with every consent given."""
        consent = {"consent": {"categoryPreferences": {"functional": True, "analytics": True, "personalization": True}}}
        body = msgspec.json.encode({"batch": events, "writeKey": self.write_key, "context": consent})
        return post("/v1/batch", body, content_type="text/plain")


@dataclass(frozen=True, slots=True)
class Process:
    """A running process of ours."""

    child: Child
    port: int

    def processor_seconds(self) -> float:
        """Tell the processor time used so far, which other work on the machine hardly changes. Linux only."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def open_house() -> AsyncIterator[House]:
    """Start the stores, make the workspace, and remove everything in the end."""
    home = Path(tempfile.mkdtemp(prefix="tagway-bench-"))
    home.chmod(0o711)  # noqa: ASYNC240 - nothing else runs yet; the servers' own account passes through
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, home)
        postgres, valkey = EmbeddedPostgres(home / "postgres"), EmbeddedValkey(home / "valkey")
        for server in (postgres, valkey):
            stack.push_async_callback(server.stop)
            await server.start()
        await migrate(postgres.url)
        master_key = base64.b64encode(_MASTER_KEY).decode()
        settings = Settings(
            postgres_url=postgres.url,
            redis_url=valkey.url,
            master_key=master_key,
            data=home,
            query_points=10**9,
            query_points_per_second=10**9,
        )
        yield House(settings, *await _make_workspace(postgres.url))


@asynccontextmanager
async def open_database(house: House) -> AsyncIterator[Database]:
    """Open the house's Postgres as the role that builds."""
    database = await Database.open(house.settings.postgres_url or "", role="worker")
    try:
        yield database
    finally:
        await database.close()


async def _make_workspace(url: str) -> tuple[UUID, WorkspaceKeys, str, str]:
    database = await Database.open(url, role="worker", max_size=1)
    workspace, key, now = uuid4(), new_key(), utc_now()
    wrapped = await LocalMasterKey(_MASTER_KEY).wrap(key)
    async with database.across() as connection:
        await create_workspace(connection, workspace, "bench", wrapped_key=wrapped, plan=default_document(), at=now)
        _, write_key = await create_key(connection, workspace, KeyKind.WRITE, "bench", at=now)
        _, secret_key = await create_key(connection, workspace, KeyKind.SECRET, "bench", scopes=Scope, at=now)
    await database.close()
    return workspace, WorkspaceKeys(workspace, key), write_key, secret_key


async def listening(child: Child, port: int) -> None:
    """Wait until a server answers. Raises `RuntimeError` with its last words if it ends instead."""
    async with asyncio.timeout(_READY_WITHIN):
        while True:
            if not child.alive:
                raise RuntimeError(f"a server did not start:\n{child.last_words()}")
            try:
                (await Connection.open(port)).close()
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                return


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
