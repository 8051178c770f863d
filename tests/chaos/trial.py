"""Rounds of load, each with one fault, and after each the question whether anything was lost, repeated or made up."""

import asyncio
import contextlib
import json
import math
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import asyncpg

from domain.clock import utc_now
from tests.chaos.load import Answer, Crowd, Ledger
from tests.chaos.subscriber import Heard, Subscriber
from tests.fixtures.stack import Stack
from tests.patience import AT_ALL

THRICE: Final = {"type": "count", "event": "product_view", "op": ">=", "n": 3, "window": "30d"}
BRIEF_SECONDS: Final = 3
BRIEF: Final = {"type": "count", "event": "product_view", "op": ">=", "n": 1, "window": f"{BRIEF_SECONDS}s"}
"""Everyone who is seen is in it, and leaves it by a timer when they are silent."""

_SAVE: Final = "mutation ($input: SaveSegmentInput!) { saveSegment(input: $input) { __typename } }"
_SETTLE_WITHIN: Final = 90.0
"""How long nothing may get better before it is given up."""

_ROWS: Final = """
    SELECT subject.profile_id, count(*) AS events, count(DISTINCT message_id) AS messages
    FROM event JOIN subject ON subject.id = event.subject_id GROUP BY subject.profile_id
"""
_CHANGES: Final = """
    SELECT profile_id, segment.key, kind, profile_version, position
    FROM segment_change JOIN segment ON segment.id = segment_id ORDER BY position NULLS LAST, segment_change.id
"""

_MISDATED: Final = """
    SELECT (SELECT count(*) FROM event WHERE NOT received_at BETWEEN $1 AND $2)
        + (SELECT count(*) FROM segment_change WHERE NOT at BETWEEN $1 AND $2)
"""
_SLACK: Final = timedelta(seconds=5)

Fault = Callable[["Trial"], Awaitable[None]]


@dataclass(frozen=True)
class Round:
    """What one fault came to. `lost`, `twice` and `wrong` must be 0."""

    fault: str
    sent: int
    acknowledged: int
    refused: int
    silent: int
    """Batches whose connection broke before an answer."""
    slowest: float
    """Seconds that the slowest answer took."""
    kept: int
    """Messages that nobody was told of and that are stored all the same, once each."""
    lost: int
    twice: int
    wrong: int
    """People whose counters or memberships are not what the events say, and what is dated before or after the trial."""
    changes: int
    missed: int
    """Changes that the subscriber did not hear, heard twice, or in another order."""
    settled: float
    """Seconds until all of it was so."""

    @property
    def sound(self) -> bool:
        return not (self.lost or self.twice or self.wrong or self.missed)


class Trial:
    """One running product under load, with its ledger."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self.stack = stack
        self.ledger = Ledger()
        self.crowd = Crowd(stack, self.ledger, seed)
        self.subscriber = Subscriber(stack)
        self._began = utc_now()

    async def prepare(self) -> None:
        """Define the segments, and be told of an empty snapshot."""
        for key, definition in (("thrice", THRICE), ("brief", BRIEF)):
            await self.stack.graphql(_SAVE, input={"key": key, "name": key, "definition": definition})

    async def round(self, name: str, fault: Fault, seconds: float) -> Round:
        """Let the crowd send, do harm in the middle, send on, and then see whether all is well."""
        before, sendings = set(self.ledger.answers), Counter(self.ledger.sendings)
        self.ledger.longest_wait = 0.0
        stop = asyncio.Event()
        load = asyncio.create_task(self.crowd.run(stop))
        try:
            await asyncio.sleep(seconds / 2)
            await fault(self)
            await asyncio.sleep(seconds / 2)
        finally:
            stop.set()
            async with asyncio.timeout(AT_ALL):
                await load
        began = time.monotonic()
        outcome = await self._settle()
        return Round(
            fault=name,
            sent=len(set(self.ledger.answers) - before),
            acknowledged=len(self.ledger.of(Answer.ACKNOWLEDGED) - before),
            refused=self.ledger.sendings[Answer.REFUSED] - sendings[Answer.REFUSED],
            silent=self.ledger.sendings[Answer.SILENCE] - sendings[Answer.SILENCE],
            slowest=self.ledger.longest_wait,
            settled=time.monotonic() - began,
            **outcome,
        )

    async def execute(self, statement: str, *arguments: Any) -> list[Any]:
        """Run a statement on the product's database, past row-level security."""
        stores = json.loads((self.stack.data / "stores.json").read_text())
        connection = await asyncpg.connect(stores["TAGWAY_POSTGRES_URL"])
        try:
            rows: list[Any] = await connection.fetch(statement, *arguments)
            return rows
        finally:
            await connection.close()

    async def _settle(self) -> dict[str, int]:
        """Look again until all is well, or no more gets better; return what was found last."""
        deadline, least = time.monotonic() + _SETTLE_WITHIN, math.inf
        while True:
            outcome: dict[str, int] = {}
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                outcome = await self._look()
            bad = sum(outcome[name] for name in ("lost", "twice", "wrong", "missed")) if outcome else math.inf
            if bad < least:
                deadline, least = time.monotonic() + _SETTLE_WITHIN, bad
            if not bad or time.monotonic() > deadline:
                assert outcome, "the database does not answer"
                return outcome
            await asyncio.sleep(0.5)

    async def _look(self) -> dict[str, int]:
        stored = Counter(row[0] for row in await self.execute("SELECT message_id FROM event"))
        acknowledged = self.ledger.of(Answer.ACKNOWLEDGED)
        committed = [(*row[:4], row[4]) for row in await self.execute(_CHANGES)]
        told: list[Heard] = [row[:4] for row in committed]
        return {
            "kept": len(stored.keys() - acknowledged),
            "lost": len(acknowledged - stored.keys()) + len(stored.keys() - self.ledger.answers.keys()),
            "twice": sum(times > 1 for times in stored.values()),
            "wrong": await self._wrong(stored) + await self._misdated(),
            "changes": len(told),
            "missed": _difference(told, self.subscriber.heard) + sum(row[4] is None for row in committed),
        }

    async def _misdated(self) -> int:
        """Count what cannot have been when it says: a clock of the product was wrong, and was believed."""
        ((misdated,),) = await self.execute(_MISDATED, self._began - _SLACK, utc_now() + _SLACK)
        return int(misdated)

    async def _wrong(self, stored: Counter[str]) -> int:
        """Hold counters and memberships against the ledger: this is the oracle, and it knows only what was sent."""
        views = Counter(self.ledger.person[id_] for id_ in stored if id_ in self.ledger.person)
        counted = {
            row["id"]: row["views"]
            for row in await self.execute(
                "SELECT id, (counters->>'product_view')::int AS views FROM profile WHERE merged_into IS NULL"
            )
        }
        members: dict[str, set[Any]] = {"thrice": set(), "brief": set()}
        for row in await self.execute(
            "SELECT profile_id, segment.key FROM membership JOIN segment ON segment.id = segment_id"
        ):
            members[row["key"]].add(row["profile_id"])
        expected = {profile for profile, number in counted.items() if number >= 3}
        wrong = abs(sum(1 for number in views.values() if number >= 3) - len(expected))
        wrong += sum((Counter(views.values()) - Counter(counted.values())).values())
        # All are silent by now, so their timers must have let them out.
        return wrong + len(expected ^ members["thrice"]) + len(members["brief"])


@asynccontextmanager
async def trial(stack: Stack, seed: int) -> AsyncIterator[Trial]:
    """Prepare a product for rounds of faults."""
    made = Trial(stack, seed)
    await made.prepare()
    following = asyncio.create_task(made.subscriber.run())
    try:
        async with asyncio.timeout(AT_ALL):
            await made.subscriber.ready.wait()
        yield made
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following


def _difference(told: list[Heard], heard: list[Heard]) -> int:
    """Count where two stories part: 0 only if they are the same, in the same order."""
    same = next((place for place, pair in enumerate(zip(told, heard, strict=False)) if pair[0] != pair[1]), None)
    if same is None:
        return abs(len(told) - len(heard))
    return max(len(told), len(heard)) - same


def cores() -> str:
    """Describe the machine, for the head of the table."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
