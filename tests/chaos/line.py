"""A line between the clients and the product: slow, and now and then it breaks off in the middle."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

_PIECE: Final = 512
_PAUSE: Final = 0.01
_BREAKS: Final = 0.02
"""The chance of each piece to be the last."""


class Line:
    """Passes bytes on in small pieces, after a pause each."""

    def __init__(self, url: str, seed: int = 1) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self._target = (parts.hostname, parts.port)
        self._chance = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve the line, and yield its address; at the end all that hangs on it breaks off."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, far = await asyncio.open_connection(*self._target)
        try:
            with suppress(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass_on(reader, far))
                    group.create_task(self._pass_on(there, writer))
        finally:
            for end in (writer, far):
                end.transport.abort()

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(_PIECE):
            await asyncio.sleep(_PAUSE)
            if self._chance.random() < _BREAKS:
                break
            sink.write(piece)
            await sink.drain()
        raise ConnectionResetError
