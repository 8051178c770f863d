import asyncio

import pytest

from resolvers.loaders import Shared


async def test_who_stops_waiting_takes_nothing_from_others() -> None:
    async def read(keys: list[str]) -> list[str]:
        return [key.upper() for key in keys]

    loader = Shared(read)
    one = asyncio.ensure_future(loader.load_many(["a", "b"]))
    other = asyncio.ensure_future(loader.load("a"))
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    assert await other == "A"
