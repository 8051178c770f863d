"""Reads that are asked for in one turn of the event loop, done together.

All keys of one kind are read by one statement, and all kinds one after another on one connection: to lend one costs
more than most of the statements.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

from domain.errors import StoreUnavailable
from stores.postgres import Connection

Key = TypeVar("Key")
Value = TypeVar("Value")


class _Batch:
    """Keys that are read together, and who waits for them."""

    __slots__ = ("begun", "done", "keys", "take", "waiting")

    def __init__(self, take: Callable[[Sequence[Any], Sequence[Any]], None]) -> None:
        self.keys: list[Any] = []
        self.begun = self.done = False
        self.take = take
        self.waiting: list[asyncio.Future[None]] = []

    def settle(self, values: Sequence[Any]) -> None:
        """Hand out the values, and wake those who wait."""
        self.take(self.keys, values)
        del self.take  # the loader holds its last batch, which must not hold the loader any longer
        self.done = True
        for each in self.waiting:
            if not each.done():
                each.set_result(None)

    async def settled(self) -> None:
        """Wait for the values. Who stops waiting takes nothing from others."""
        if not self.done:
            waiting = asyncio.get_running_loop().create_future()
            self.waiting.append(waiting)
            await waiting


class DataLoader(Generic[Key, Value]):
    """Reads each key of one kind once. `begin` is told of a new batch, and sees to it that it is read soon."""

    def __init__(self, begin: Callable[[_Batch], None]) -> None:
        self._begin = begin
        self._found: dict[Key, Value | Exception] = {}
        self._reading: dict[Key, _Batch] = {}
        self._batch: _Batch | None = None

    async def each(self, keys: Sequence[Key]) -> list[Value | Exception]:
        """Load many values, with the exception in its place for what could not be read."""
        found = self._found
        if not all(key in found for key in keys):
            for batch in {id(each): each for each in map(self._ask, keys) if each}.values():
                await batch.settled()
        return [found[key] for key in keys]

    async def load(self, key: Key) -> Value:
        """Load one value. Raises what reading it raised."""
        [value] = await self.load_many([key])
        return value

    async def load_many(self, keys: Sequence[Key]) -> list[Value]:
        """Load many values. Raises what reading one of them raised."""
        found: list[Any] = await self.each(keys)
        for value in found:
            if isinstance(value, Exception):
                raise value
        return found

    def prime(self, found: Mapping[Key, Value]) -> None:
        """Take in what was read along with something else."""
        self._found.update(found)

    def _ask(self, key: Key) -> _Batch | None:
        """Name the batch that a key is read with, if that is still to come."""
        if key in self._found:
            return None
        if key not in self._reading:
            if self._batch is None or self._batch.begun:
                self._batch = _Batch(self._take)
                self._begin(self._batch)
            self._batch.keys.append(key)
            self._reading[key] = self._batch
        return self._reading[key]

    def _take(self, keys: Sequence[Key], values: Sequence[Value | Exception]) -> None:
        for key, value in zip(keys, values, strict=True):
            self._found[key] = value
            del self._reading[key]


Read = Callable[[Connection, Sequence[Key]], Awaitable[Sequence[Value]]]
"""Finds a value for each key, in their order."""


class Reader:
    """Reads what the loaders of one operation are asked for; `lend` lends a connection of the caller's workspace."""

    def __init__(self, lend: Callable[[], AbstractAsyncContextManager[Connection]]) -> None:
        self._lend = lend
        self._open: list[tuple[_Batch, Read[Any, Any]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def loader(self, read: Read[Key, Value]) -> DataLoader[Key, Value]:
        """Make a loader of what is found quickly: it shares a connection with the others that are asked at once."""

        def begin(batch: _Batch) -> None:
            if not self._open:
                self._soon(self._read_open)
            self._open.append((batch, read))

        return DataLoader(begin)

    def apart(self, read: Read[Key, Value]) -> DataLoader[Key, Value]:
        """Make a loader of what may take long: it has a connection of its own, so that nothing waits for it."""
        return DataLoader(lambda batch: self._soon(lambda: self._read([(batch, read)])))

    def without(self, find: Callable[[list[Key]], Awaitable[Sequence[Value]]]) -> DataLoader[Key, Value]:
        """Make a loader of what needs no connection, or lends its own."""

        async def settle(batch: _Batch) -> None:
            batch.begun = True
            try:
                batch.settle(await find(batch.keys))
            except Exception as error:  # noqa: BLE001 - it stands for the values
                batch.settle([error] * len(batch.keys))

        return DataLoader(lambda batch: self._soon(lambda: settle(batch)))

    def _soon(self, work: Callable[[], Any]) -> None:
        """Begin after all who ask in this turn have asked."""

        def start() -> None:
            task = asyncio.create_task(work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        asyncio.get_running_loop().call_soon(start)

    async def _read_open(self) -> None:
        batches, self._open = self._open, []
        await self._read(batches)

    async def _read(self, batches: list[tuple[_Batch, Read[Any, Any]]]) -> None:
        left = iter(batches)
        for batch, read in left:
            try:
                async with self._lend() as connection:
                    await _settle(connection, batch, read)
                    for batch, read in left:  # noqa: PLW2901 - on the same connection, as long as it holds
                        await _settle(connection, batch, read)
            except StoreUnavailable as error:
                _fail([batch, *(each for each, _ in left)], error)
            except Exception as error:  # noqa: BLE001 - it stands for the values; the others have another try
                _fail([batch], error)


async def _settle(connection: Connection, batch: _Batch, read: Read[Any, Any]) -> None:
    batch.begun = True
    batch.settle(await read(connection, batch.keys))


def _fail(batches: Iterable[_Batch], error: Exception) -> None:
    for batch in batches:
        if not batch.done:  # giving the connection back may fail too, and takes nothing from who was read for
            batch.begun = True
            batch.settle([error] * len(batch.keys))
