"""Batches under way side by side: while Postgres works on some of them, Python works on another."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any

Effect = Callable[[], Coroutine[Any, Any, object]]
"""Gives a batch its effect, or several of them together."""


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

    def take(self, partitions: Collection[int], effect: Effect) -> None:
        """Begin with the partitions' next batches once those before them are done."""
        before = {self._last[partition] for partition in partitions if partition in self._last}
        task = asyncio.create_task(_follow(before, effect), name=f"batches of partitions {sorted(partitions)}")
        self._last.update(dict.fromkeys(partitions, task))
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


async def _follow(before: Collection[asyncio.Task[None]], effect: Effect) -> None:
    if before:
        await asyncio.wait(before)
        if any(each.cancelled() or each.exception() is not None for each in before):
            return  # a gap must not open: what follows a batch that failed is read anew together with it
    await effect()
