import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from domain.errors import StoreUnavailable
from resolvers.loading import Reader
from stores.postgres import Connection


class _Shop:
    """Lends connections, which are only numbers here, and notes what is read on which."""

    def __init__(self) -> None:
        self.lent = 0
        self.read: list[tuple[int | None, list[str]]] = []
        self.is_open = True
        self.takes_back = True

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Connection]:
        if not self.is_open:
            raise StoreUnavailable
        self.lent += 1
        try:
            yield cast("Connection", self.lent)
        except ConnectionError as error:
            raise StoreUnavailable from error
        if not self.takes_back:
            raise StoreUnavailable

    async def upper(self, connection: Any, keys: Sequence[str]) -> list[str]:
        self.read.append((connection, list(keys)))
        await asyncio.sleep(0)
        return [key.upper() for key in keys]

    async def broken(self, _connection: Any, _keys: Sequence[str]) -> list[str]:
        raise ValueError

    async def lost(self, _connection: Any, _keys: Sequence[str]) -> list[str]:
        raise ConnectionError


async def test_what_is_asked_at_once_is_read_at_once() -> None:
    shop = _Shop()
    reader = Reader(shop.lend)
    some, others, slow = reader.loader(shop.upper), reader.loader(shop.upper), reader.apart(shop.upper)
    found = await asyncio.gather(
        some.load("a"), some.load_many(["b", "a"]), others.load("c"), some.each(["d", "b"]), slow.load("e")
    )
    assert list(found) == ["A", ["B", "A"], "C", ["D", "B"], "E"]
    assert sorted(shop.read, key=str) == [(1, ["a", "b", "d"]), (1, ["c"]), (2, ["e"])]
    assert await some.load_many(["a", "d"]) == ["A", "D"]
    assert shop.lent == 2


async def test_what_is_being_read_is_not_read_again() -> None:
    shop = _Shop()
    loader = Reader(shop.lend).loader(shop.upper)
    first = asyncio.create_task(loader.load("a"))
    while not shop.read:
        await asyncio.sleep(0)
    assert await loader.load_many(["b", "a"]) == ["B", "A"]
    assert await first == "A"
    assert shop.read == [(1, ["a"]), (2, ["b"])]


async def test_who_stops_waiting_takes_nothing_from_others() -> None:
    shop = _Shop()
    loader = Reader(shop.lend).loader(shop.upper)
    one = asyncio.ensure_future(loader.load_many(["a", "b"]))
    other = asyncio.ensure_future(loader.load("a"))
    await asyncio.sleep(0)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    assert await other == "A"
    assert await loader.load("b") == "B"
    assert len(shop.read) == 1


async def test_what_fails_fails_alone() -> None:
    shop = _Shop()
    reader = Reader(shop.lend)
    good, bad, lost, last = (reader.loader(each) for each in (shop.upper, shop.broken, shop.lost, shop.upper))
    found = await asyncio.gather(
        good.load("a"), bad.load("b"), lost.each(["c"]), last.load("d"), return_exceptions=True
    )
    assert found[0] == "A"
    assert isinstance(found[1], ValueError)
    assert isinstance(cast("Any", found[2])[0], StoreUnavailable)
    assert isinstance(found[3], StoreUnavailable)


async def test_a_store_that_is_away_is_asked_once() -> None:
    shop = _Shop()
    shop.is_open = False
    reader = Reader(shop.lend)
    found = await asyncio.gather(*(reader.loader(shop.upper).load(key) for key in "abc"), return_exceptions=True)
    assert {type(each) for each in found} == {StoreUnavailable}


async def test_what_was_read_stays_though_the_connection_cannot_be_given_back() -> None:
    shop = _Shop()
    shop.takes_back = False
    reader = Reader(shop.lend)
    loader = reader.loader(shop.upper)
    assert await loader.load("a") == "A"
    while reader._tasks:
        await asyncio.sleep(0)
    assert await loader.load("a") == "A"


async def test_what_needs_no_connection_lends_none() -> None:
    shop = _Shop()

    async def find(keys: list[str]) -> list[str]:
        return await shop.upper(None, keys)

    loader = Reader(shop.lend).without(find)
    assert list(await asyncio.gather(loader.load("a"), loader.load("b"))) == ["A", "B"]
    loader.prime({"c": "primed"})
    assert await loader.load("c") == "primed"
    assert shop.read == [(None, ["a", "b"])]
    assert not shop.lent
