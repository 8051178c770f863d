"""The main job, end to end: events go in by a stock SDK, live segment changes come out by a stock client."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import segment.analytics

from scripts.kafka import Broker
from tests.fixtures.clients import node
from tests.fixtures.stack import Stack
from tests.patience import AT_ALL, soonest

PEOPLE = 100
CONSENT = {"consent": {"categoryPreferences": {"analytics": True, "personalization": True, "functional": True}}}
BRIEF = 5.0
"""Window of the segment that people leave again while the test watches, in seconds."""

SAVE = """mutation ($input: SaveSegmentInput!) { saveSegment(input: $input) { __typename } }"""
STATUS = """query ($key: String!) { segment(key: $key) { status size } }"""
WATCH = """subscription ($keys: [String!]) {
  segmentChanges(segmentKeys: $keys) { cursor at kind profileId segmentKey } }"""
PERSON = """query ($id: String!) { profile(by: {externalId: $id}) {
  id traits counters segments { segment { key } } events(first: 50) { edges { node { messageId name } } } } }"""


class Watcher:
    """What one subscription has been told so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.changes: list[dict[str, Any]] = []
        self.arrivals: list[float] = []

    async def until(self, done: Callable[["Watcher"], bool], besides: float = 0) -> None:
        """Read on until `done` holds, which takes that many seconds `besides` what the machine takes."""
        assert self._process.stdout
        async with asyncio.timeout(besides + AT_ALL):
            while not done(self):
                line = await self._process.stdout.readline()
                assert line, "the subscription ended"
                message = json.loads(line)
                assert "errors" not in message, message
                self.changes.append(message["data"]["segmentChanges"])
                self.arrivals.append(message["received"])

    def seen(self, kind: str, key: str) -> list[tuple[dict[str, Any], float]]:
        """Changes of one kind in one segment, with their arrival in seconds since 1970."""
        pairs = zip(self.changes, self.arrivals, strict=True)
        return [(change, at) for change, at in pairs if (change["kind"], change["segmentKey"]) == (kind, key)]


@asynccontextmanager
async def watching(stack: Stack, *keys: str) -> AsyncIterator[Watcher]:
    url = stack.url.replace("http", "ws", 1) + "/graphql"
    process = await node("watch.mjs", url, stack.secret_key, WATCH, json.dumps({"keys": keys}))
    try:
        watcher = Watcher(process)
        await watcher.until(lambda seen: seen.changes[-1:] != [] and seen.changes[-1]["kind"] == "SNAPSHOT_END")
        yield watcher
    finally:
        process.terminate()
        await process.wait()


async def save_views(stack: Stack, key: str, window: str) -> None:
    """Save the segment of people with three product views in a window, and wait until it is live."""
    definition = {"type": "count", "event": "product_view", "op": ">=", "n": 3, "window": window}
    saved = await stack.graphql(SAVE, input={"key": key, "name": key, "definition": definition})
    assert saved["saveSegment"]["__typename"] == "SegmentPayload"
    async with asyncio.timeout(AT_ALL):
        while (await stack.graphql(STATUS, key=key))["segment"]["status"] != "LIVE":
            await asyncio.sleep(0.05)


def send_visits(stack: Stack, people: range) -> dict[str, float]:
    """Send each person's identify and three views by Segment's SDK; return when the third view was acknowledged."""
    client = segment.analytics.Client(stack.write_key, host=stack.url, sync_mode=True, timeout=30)
    acknowledged: dict[str, float] = {}
    for number in people:
        person = f"person-{number}"
        client.identify(
            person,
            {"plan": "gold" if number % 2 else "free", "email": f"{person}@shop.test"},
            anonymous_id=f"browser-{number}",
            context=CONSENT,
            message_id=f"identify-{number}",
        )
        for view in range(3):
            client.track(
                person,
                "product_view",
                {"product_id": f"item-{view}"},
                context=CONSENT,
                message_id=f"view-{number}-{view}",
            )
        acknowledged[person] = time.time()
    return acknowledged


async def end_state(stack: Stack, people: int = PEOPLE) -> dict[int, Any]:
    """Read what is known of everyone, without the ids that differ between runs."""
    state = {}
    for number in range(people):
        profile = (await stack.graphql(PERSON, id=f"person-{number}"))["profile"]
        assert profile is not None, number
        state[number] = {
            "traits": profile["traits"],
            "counters": profile["counters"],
            "segments": sorted(each["segment"]["key"] for each in profile["segments"]),
            "events": sorted(edge["node"]["messageId"] for edge in profile["events"]["edges"]),
        }
    return state


def expected_state(people: int = PEOPLE) -> dict[int, Any]:
    return {
        number: {
            "traits": {"plan": "gold" if number % 2 else "free"},
            "counters": {"identify": 1, "product_view": 3},
            "segments": ["keen"],
            "events": sorted([f"identify-{number}", *(f"view-{number}-{view}" for view in range(3))]),
        }
        for number in range(people)
    }


async def test_a_hundred_people_enter_and_leave_live(start_stack: Callable[..., Awaitable[Stack]]) -> None:
    stack = await start_stack()
    await save_views(stack, "keen", "24h")
    await save_views(stack, "brief", f"{BRIEF:.0f}s")
    known = 0
    async with watching(stack, "keen", "brief") as watcher:

        async def come_and_go(_round: int) -> float:
            """Return how late half of the changes of a hundred newcomers were, in seconds."""
            nonlocal known
            newcomers, known = range(known, known + PEOPLE), known + PEOPLE
            acknowledged = await asyncio.to_thread(send_visits, stack, newcomers)
            await watcher.until(lambda seen: len(seen.seen("ENTERED", "keen")) >= known)
            # Whose three views took longer than the short window was never in it.
            await watcher.until(
                lambda seen: 0 < len(seen.seen("ENTERED", "brief")) <= len(seen.seen("EXITED", "brief")), BRIEF
            )
            ids = {await profile_id(stack, person): at for person, at in acknowledged.items()}
            entered = watcher.seen("ENTERED", "keen")[-PEOPLE:]
            waits = [arrival - ids[change["profileId"]] for change, arrival in entered]
            late = [arrival - at(change) for change, arrival in watcher.seen("EXITED", "brief")[-PEOPLE:]]
            assert min(late) >= 0
            return max(statistics.median(waits), statistics.median(late))

        assert await soonest(come_and_go, 1) < 1
    assert len(watcher.seen("ENTERED", "keen")) == known
    assert await end_state(stack, known) == expected_state(known)
    assert (await stack.graphql(STATUS, key="keen"))["segment"]["size"] == known


async def test_kafka_and_two_builders_one_of_them_killed_end_in_the_same_state(
    start_stack: Callable[..., Awaitable[Stack]], kafka_broker: Broker
) -> None:
    stack = await start_stack(kafka_bootstrap=kafka_broker.bootstrap)
    second = await stack.add_builder()
    await save_views(stack, "keen", "24h")
    await save_views(stack, "brief", f"{BRIEF:.0f}s")
    async with watching(stack, "keen", "brief") as watcher:
        half = PEOPLE // 2
        await asyncio.to_thread(send_visits, stack, range(half))
        sending = asyncio.create_task(asyncio.to_thread(send_visits, stack, range(half, PEOPLE)))
        await watcher.until(lambda seen: len(seen.seen("ENTERED", "keen")) > half // 2)
        second.kill()
        await sending
        await watcher.until(lambda seen: len(seen.seen("ENTERED", "keen")) >= PEOPLE)
        await watcher.until(lambda seen: len(seen.seen("EXITED", "brief")) >= len(seen.seen("ENTERED", "brief")), BRIEF)
    assert len(watcher.seen("ENTERED", "keen")) == PEOPLE
    assert await end_state(stack) == expected_state()


async def profile_id(stack: Stack, person: str) -> str:
    return str((await stack.graphql(PERSON, id=person))["profile"]["id"])


def at(change: dict[str, Any]) -> float:
    """When a change took place, in seconds since 1970."""
    return datetime.fromisoformat(change["at"]).timestamp()
