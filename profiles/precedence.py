"""Who goes first in a builder's process: events that somebody waits for, before the timers of one instant."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Precedence:
    """Knows whether live batches are under way, and lets others wait for them, though not for ever."""

    def __init__(self) -> None:
        self._under_way = 0
        self._free = asyncio.Event()
        self._free.set()

    @contextmanager
    def live(self) -> Iterator[None]:
        """Hold while a live batch is built."""
        self._under_way += 1
        self._free.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._free.set()

    async def give_way(self, seconds: float) -> None:
        """Wait until no live batch is under way, at most so long: where there always is one, both go on."""
        try:
            async with asyncio.timeout(seconds):
                await self._free.wait()
        except TimeoutError:
            return
