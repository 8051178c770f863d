"""Keys rotated under live traffic: no request fails, everybody is found all the time, and nobody becomes two."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from domain.clock import utc_now
from gateway.cli.data import find_stores
from gateway.provider import open_provider
from gateway.rotation.index import rotate_index
from gateway.rotation.job import LANES, Job
from gateway.rotation.wrap import rotate_wrap
from gateway.settings import Settings
from gateway.workspace import Workspaces
from privacy.wrapping import epoch_header
from stores.postgres import Database
from tests.fixtures.stack import Stack
from tests.patience import AT_ALL

CONSENT: Final = {"consent": {"categoryPreferences": {"analytics": True, "personalization": True, "functional": True}}}
ERASE: Final = """mutation ($input: OpenPrivacyRequestInput!) { openPrivacyRequest(input: $input) {
    ... on PrivacyRequestPayload { request { id } } } }"""
FOLLOW: Final = "query ($id: ID!) { privacyRequest(id: $id) { status } }"
PERSON: Final = "query ($by: ProfileBy!) { profile(by: $by) { id counters } }"
SENDERS: Final = 3
READERS: Final = 3
PAUSE: Final = 0.05
GONE: Final = "person-gone"


def ways(name: str) -> list[dict[str, str]]:
    """List the identifiers of a person, each as a lookup names it."""
    return [{"email": f"{name}@shop.example"}, {"externalId": name}, {"anonymousId": f"browser-of-{name}"}]


class Crowd:
    """People who come, come again, and are looked up, for as long as it takes."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.met: dict[str, str] = {}
        """Each person who was found once, with the id of their profile."""
        self.sent: dict[str, int] = {}
        self.lookups = 0

    async def tell(self, name: str) -> str:
        """Send what a person does, which must be answered 200, and return its outcome."""
        number = self.sent.get(name, 0)
        event: dict[str, Any] = {
            "type": "identify",
            "userId": name,
            "anonymousId": f"browser-of-{name}",
            "traits": {"email": f"{name}@shop.example", "visits": number},
            "messageId": f"{name}-{number}",
            "context": CONSENT,
        }
        if number % 2:
            # Known by the browser alone: were its index lost, this would be somebody else.
            event |= {"userId": None, "traits": {}}
        body = {"batch": [event], "writeKey": self._stack.write_key}
        async with self._stack.http.post(f"{self._stack.url}/v1/batch", json=body) as response:
            answer = await response.json()
            assert response.status == 200, answer
        self.sent[name] = number + 1
        outcome: str = answer["results"][0]["outcome"]
        return outcome

    async def find(self, **by: str) -> Any:
        """Look a person up; any error fails the test."""
        return (await self._stack.graphql(PERSON, by=by))["profile"]

    async def meet(self, name: str) -> None:
        """Wait until a new person is built and can be found in every way."""
        async with asyncio.timeout(AT_ALL):
            while None in (found := [await self.find(**way) for way in ways(name)]):
                await asyncio.sleep(0.02)
        ids = {each["id"] for each in found}
        assert len(ids) == 1, name
        self.met[name] = ids.pop()

    async def send(self, sender: int) -> None:
        """Bring one new person for each two visits of old ones, until cancelled."""
        number = 0
        while True:
            name = f"person-{sender}-{number}"
            assert await self.tell(name) == "accepted"
            await self.meet(name)
            for old in list(self.met)[-2:] + list(self.met)[:1]:
                assert await self.tell(old) == "accepted"
                await asyncio.sleep(PAUSE)
            number += 1

    async def read(self, reader: int) -> None:
        """Look known people up by all that they are known by, until cancelled."""
        while True:
            for number, (name, profile) in enumerate(list(self.met.items())):
                found = await self.find(**ways(name)[(number + reader) % 3])
                assert found is not None, f"{name} was not found"
                assert found["id"] == profile, f"{name} became somebody else"
                self.lookups += 1
                await asyncio.sleep(PAUSE / 5)
            await asyncio.sleep(PAUSE)


@asynccontextmanager
async def crowded(stack: Stack) -> AsyncIterator[tuple[Crowd, asyncio.Future[Any]]]:
    crowd = Crowd(stack)
    working = asyncio.gather(
        *(crowd.send(number) for number in range(SENDERS)), *(crowd.read(number) for number in range(READERS))
    )
    try:
        yield crowd, working
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


@asynccontextmanager
async def rotating(stack: Stack) -> AsyncIterator[Job]:
    """Be one more process beside the product, which rotates its keys."""
    settings = find_stores(Settings(data=stack.data))
    database = await Database.open(str(settings.postgres_url), role="worker", max_size=2 * LANES + 2)
    async with open_provider(settings) as provider:
        workspaces = Workspaces(database, provider)
        yield Job(database, provider, workspaces, utc_now, lambda *_: None, timedelta(seconds=6))
    await database.close()


async def erase(stack: Stack, name: str) -> None:
    """Have a person erased, and wait until they are."""
    asked = {"kind": "ERASE", "by": {"email": f"{name}@shop.example"}}
    request = (await stack.graphql(ERASE, input=asked))["openPrivacyRequest"]["request"]["id"]
    async with asyncio.timeout(AT_ALL):
        while (await stack.graphql(FOLLOW, id=request))["privacyRequest"]["status"] != "DONE":
            await asyncio.sleep(0.1)


async def rows(stack: Stack, statement: str) -> list[Any]:
    stores = json.loads((stack.data / "stores.json").read_text())
    connection = await asyncpg.connect(stores["TAGWAY_POSTGRES_URL"])
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def test_keys_are_rotated_under_live_traffic(start_stack: Callable[..., Awaitable[Stack]]) -> None:
    stack = await start_stack()
    async with crowded(stack) as (crowd, working):
        assert await crowd.tell(GONE) == "accepted"
        await crowd.meet(GONE)
        del crowd.met[GONE]
        await erase(stack, GONE)
        before = len(crowd.met)
        async with rotating(stack) as job:
            workspace = UUID(json.loads((stack.data / "keys.json").read_text())["workspace"])
            rotations = asyncio.gather(rotate_wrap(job, [workspace]), rotate_index(job, [workspace]))
            await asyncio.wait([working, rotations], return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            await rotations
        assert len(crowd.met) > before
        assert crowd.lookups > 100
        assert await crowd.tell(GONE) == "dropped_suppressed"

    for name, profile in crowd.met.items():
        assert [(await crowd.find(**way))["id"] for way in ways(name)] == [profile] * 3
    people = await rows(stack, "SELECT count(*) FROM profile WHERE merged_into IS NULL")
    assert people[0][0] - len(crowd.met) in range(SENDERS + 1)  # those who had just come when the traffic ended
    assert await rows(stack, "SELECT DISTINCT version FROM alias") == [(2,)]
    assert await rows(stack, "SELECT DISTINCT version FROM suppression") == [(2,)]
    assert await rows(stack, "SELECT DISTINCT substring(wrapped_key FOR 3) FROM subject") == [(epoch_header(2),)]
    versions = "SELECT use, version, state FROM workspace_key ORDER BY use, version"
    states = [(1, "retired"), (2, "active")]
    assert await rows(stack, versions) == [(use, *each) for use in ("index", "wrap") for each in states]
