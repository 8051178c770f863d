"""Batches under way side by side: while Postgres works on some of them, Python works on another."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

Effect = Callable[[], Coroutine[Any, Any, object]]
"""Gives one batch its effect."""


class Lanes:
    """Works on up to `number` batches at once, and on those of one partition one after the other, as they came."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._under_way: set[asyncio.Task[None]] = set()
        self._last: dict[int, asyncio.Task[None]] = {}
        """Of each partition, the batch that the next one waits for."""

    async def free(self) -> None:
        """Wait until one more batch may be taken. Raises what became of one that failed."""
        while len(self._under_way) >= self._number:
            await self._some()

    def take(self, partition: int, effect: Effect) -> None:
        """Begin with the partition's next batch once those before it are done."""
        task = asyncio.create_task(_follow(self._last.get(partition), effect), name=f"batch of partition {partition}")
        self._last[partition] = task
        self._under_way.add(task)

    async def finish(self) -> None:
        """Wait until nothing is under way. Raises like `free`."""
        while self._under_way:
            await self._some()

    async def give_up(self) -> None:
        """Break off what is under way."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _some(self) -> None:
        done, self._under_way = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


@asynccontextmanager
async def open_lanes(number: int) -> AsyncIterator[Lanes]:
    """Lend so many lanes. What is still under way at the end of the context is broken off."""
    lanes = Lanes(number)
    try:
        yield lanes
    finally:
        await lanes.give_up()


async def _follow(before: asyncio.Task[None] | None, effect: Effect) -> None:
    if before is not None:
        await asyncio.wait([before])
        if before.cancelled() or before.exception() is not None:
            return  # a gap must not open: what follows a batch that failed is read anew together with it
    await effect()
