"""Every part of a running product killed in turn: it comes back by itself, and what was acknowledged is kept once."""

import asyncio
import contextlib
import json
import os
import select
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import asyncpg
import pytest

from tests.fixtures.parts import PARTS, come_back, family_of, kill
from tests.fixtures.stack import Stack
from tests.patience import AT_ALL

MOST: Final = 2_000
PAUSE: Final = 0.02
CONSENT: Final = {"consent": {"categoryPreferences": {"analytics": True, "personalization": True}}}
PERSON: Final = "query ($id: String!) { profile(by: {externalId: $id}) { counters } }"


class Sender:
    """A client with a trickle of events: what is not acknowledged it sends again, under the same id."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.acknowledged: list[str] = []
        self.refusals = 0
        self.news = asyncio.Condition()

    async def run(self) -> None:
        """Send until cancelled, one event after another, and no more than `MOST`."""
        for number in range(MOST):
            message_id = f"trickle-{number}"
            while not await self._send(message_id, f"person-{number % 7}"):
                self.refusals += 1
                await asyncio.sleep(PAUSE * 5)
            async with self.news:
                self.acknowledged.append(message_id)
                self.news.notify_all()
            await asyncio.sleep(PAUSE)
        raise AssertionError("the trickle ran dry")

    async def more(self, number: int) -> None:
        """Wait until so many more events are acknowledged."""
        wanted = len(self.acknowledged) + number
        async with asyncio.timeout(AT_ALL), self.news:
            await self.news.wait_for(lambda: len(self.acknowledged) >= wanted)

    async def _send(self, message_id: str, person: str) -> bool:
        event = {"type": "track", "event": "product_view", "userId": person, "properties": {"product_id": "lamp"}}
        body = {"batch": [event | {"messageId": message_id, "context": CONSENT}], "writeKey": self._stack.write_key}
        try:
            async with self._stack.http.post(
                f"{self._stack.url}/v1/batch", json=body, timeout=aiohttp.ClientTimeout(total=15)
            ) as response:
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError):
            return False
        if response.status == 200:
            assert answer["results"][0]["outcome"] == "accepted", answer
            return True
        assert response.status == 503, answer
        assert int(response.headers["Retry-After"]) > 0
        return False


@asynccontextmanager
async def sending(stack: Stack) -> AsyncIterator[Sender]:
    sender = Sender(stack)
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def well(stack: Stack) -> None:
    """Wait until every store answers again: Postgres may recover for longer than the spool lets anybody notice."""
    async with asyncio.timeout(AT_ALL):
        while True:
            async with stack.http.get(f"{stack.url}/readyz") as response:
                if (await response.json())["status"] == "ready":
                    return
            await asyncio.sleep(0.1)


async def built(stack: Stack, number: int) -> None:
    """Wait until the builder has counted so many views over all people."""
    async with asyncio.timeout(AT_ALL):
        while True:
            profiles = [(await stack.graphql(PERSON, id=f"person-{each}"))["profile"] for each in range(7)]
            if sum(profile["counters"]["product_view"] for profile in profiles if profile) >= number:
                return
            await asyncio.sleep(0.1)


async def stored(stack: Stack) -> tuple[list[str], int]:
    """Read the ids of all stored events, each as often as it is stored, and how many views the profiles count."""
    stores = json.loads((stack.data / "stores.json").read_text())
    connection = await asyncpg.connect(stores["TAGWAY_POSTGRES_URL"])
    try:
        ids = [row[0] for row in await connection.fetch("SELECT message_id FROM event")]
        counted = await connection.fetchval("SELECT sum((counters->>'product_view')::int) FROM profile")
    finally:
        await connection.close()
    return ids, counted


@pytest.mark.skipif(sys.platform != "linux", reason="parts are found through /proc")
async def test_every_part_is_killed_in_turn_and_nothing_acknowledged_is_lost(
    start_stack: Callable[..., Awaitable[Stack]],
) -> None:
    stack = await start_stack()
    async with sending(stack) as sender:
        await sender.more(20)
        for name in PARTS:
            killed = kill(stack, name)
            await come_back(stack, name, killed)
            await sender.more(20)
    acknowledged = sender.acknowledged
    assert sender.refusals > 0
    await well(stack)
    await built(stack, len(acknowledged))

    watched = [os.pidfd_open(pid) for pid in family_of(stack.process.pid)]
    assert await stack.stop() == 0
    ended, _, _ = select.select(watched, [], [], 0)
    assert ended == watched
    for descriptor in watched:
        os.close(descriptor)

    again = await start_stack(stack.data)
    assert (again.write_key, again.secret_key) == (stack.write_key, stack.secret_key)
    ids, counted = await stored(again)
    assert len(ids) == len(set(ids)) == counted
    # The last event may have been kept without its answer having come through.
    assert set(acknowledged) <= set(ids)
    assert len(ids) - len(acknowledged) <= 1
    async with sending(again) as sender:
        await sender.more(1)
