"""The way between the product and its Postgres: it can be cut, and then both ends wait for what never comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

import msgspec

_PIECE: Final = 65_536


class _Connection(NamedTuple):
    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    passing: asyncio.Task[None]


class Wire:
    """Passes bytes on between gateway and builder, which find its port beside their data, and Postgres."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: list[_Connection] = []
        self._forgotten: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Serve, and say where; at the end everything that hangs on it breaks off."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        place_of(self._data).write_text(str(server.sockets[0].getsockname()[1]))
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for writer in self._forgotten:
                writer.transport.abort()

    async def cut(self, seconds: float) -> None:
        """Pass nothing on for a while, and then nothing of what was open before.

        Postgres is told that these connections have ended; the product is never told anything again.
        """
        self._flows.clear()
        await asyncio.sleep(seconds)
        cut, self._open = self._open, []
        for connection in cut:
            self._forgotten.append(connection.near)
            connection.passing.cancel()
            connection.far.transport.abort()
        self._flows.set()

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        target = urlsplit(_stores(self._data)["TAGWAY_POSTGRES_URL"])
        try:
            there, far = await asyncio.open_connection(target.hostname, target.port)
        except OSError:
            near.transport.abort()
            return
        passing = asyncio.create_task(self._pass_both(reader, far, there, near))
        connection = _Connection(near, far, passing)
        self._open.append(connection)
        with suppress(asyncio.CancelledError):
            await passing
        far.transport.abort()
        if near not in self._forgotten:
            self._open.remove(connection)
            near.transport.abort()

    async def _pass_both(
        self,
        reader: asyncio.StreamReader,
        far: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        near: asyncio.StreamWriter,
    ) -> None:
        ways = [asyncio.create_task(self._pass_on(*way)) for way in ((reader, far), (there, near))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(_PIECE):
                await self._flows.wait()
                sink.write(piece)
                await sink.drain()


def place_of(data: Path) -> Path:
    """Say where the product that has its data there finds the port of its wire."""
    return data.with_name(f"{data.name}.wire")


def _stores(data: Path) -> dict[str, str]:
    return msgspec.json.decode((data / "stores.json").read_bytes(), type=dict[str, str])
