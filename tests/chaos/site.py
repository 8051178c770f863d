"""What a trial is held on: the product with its stores, its ways and its disks, and what of them can be harmed."""

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import asyncpg

from scripts.kafka import Broker, fetch
from tests.chaos.disk import Disk
from tests.chaos.shifted import PROGRAM
from tests.chaos.wire import Wire
from tests.fixtures.stack import Stack, running

Log = Literal["postgres", "kafka"]

_MEGABYTES: Final = {"spool": 256, "postgres": 4_096, "broker": 2_048}


@dataclass
class Site:
    """One running product. What is not there is harmed by no fault that is asked for."""

    stack: Stack
    log: Log = "postgres"
    broker: Broker | None = None
    wire: Wire | None = None
    disks: Mapping[str, Disk] = field(default_factory=dict)

    def address(self, store: str) -> str:
        """Return the URL of `postgres` or `redis`, past any wire."""
        stores = json.loads((self.stack.data / "stores.json").read_text())
        return str(stores[f"TAGWAY_{store.upper()}_URL"])

    async def execute(self, statement: str, *arguments: Any) -> list[Any]:
        """Run a statement on the product's database, past row-level security."""
        connection = await asyncpg.connect(self.address("postgres"))
        try:
            rows: list[Any] = await connection.fetch(statement, *arguments)
            return rows
        finally:
            await connection.close()


@asynccontextmanager
async def open_site(log: Log, *, disks: bool) -> AsyncIterator[Site]:
    """Start the product on either log, behind a wire, with disks of its own where these may be mounted.

    Raises `KafkaMissingError` where that log cannot be.
    """
    folder = Path(tempfile.mkdtemp(prefix="tagway-chaos-"))
    data = folder / "data"
    _make_passage(folder)
    _make_passage(data)
    settings: dict[str, str] = {}
    mounted: dict[str, Disk] = {}
    async with AsyncExitStack() as house:
        house.callback(shutil.rmtree, folder, ignore_errors=True)
        for name, place in _places(folder, log).items() if disks else ():
            _make_passage(place)
            mounted[name] = house.enter_context(Disk(place, _MEGABYTES[name]).mounted())
            place.chmod(0o711)
        if disks:
            settings["spool"] = str(mounted["spool"].folder)
        broker: Broker | None = None
        if log == "kafka":
            broker = Broker(fetch(), folder / "broker")
            broker.start()
            house.callback(broker.stop)
            settings["kafka_bootstrap"] = broker.bootstrap
        wire = await house.enter_async_context(Wire(data).running())
        stack = await house.enter_async_context(running(data, settings, quiet=True, program=PROGRAM))
        yield Site(stack, log, broker, wire, mounted)


def _places(folder: Path, log: Log) -> dict[str, Path]:
    places = {"spool": folder / "spool", "postgres": folder / "data" / "postgres"}
    return places | {"broker": folder / "broker"} if log == "kafka" else places


def _make_passage(folder: Path) -> None:
    """Make a folder that the servers' own account may pass through."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
