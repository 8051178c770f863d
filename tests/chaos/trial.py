"""Rounds of load, each with one fault, and after each the question whether anything was lost, repeated or made up."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from tests.chaos.load import Answer, Crowd, Ledger
from tests.chaos.oracle import BRIEF, THRICE, Findings, Oracle
from tests.chaos.round import Round
from tests.chaos.site import Site
from tests.chaos.subscriber import Subscriber
from tests.patience import AT_ALL

_SAVE: Final = "mutation ($input: SaveSegmentInput!) { saveSegment(input: $input) { __typename } }"
_SETTLE_WITHIN: Final = 90.0
"""How long nothing may get better before it is given up."""

Fault = Callable[["Trial"], Awaitable[None]]


class Trial:
    """One running product under load, with its ledger."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site = site
        self.ledger = Ledger()
        self.crowd = Crowd(site.stack, self.ledger, seed)
        self.subscriber = Subscriber(site.stack)
        self.oracle = Oracle(site, self.ledger, self.subscriber.heard)

    async def prepare(self) -> None:
        """Define the segments, and be told of an empty snapshot."""
        for key, definition in (("thrice", THRICE), ("brief", BRIEF)):
            await self.site.stack.graphql(_SAVE, input={"key": key, "name": key, "definition": definition})

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
        found = await self._settle()
        answered = self.ledger.sendings - sendings
        return Round(
            fault=name,
            log=self.site.log,
            sent=len(set(self.ledger.answers) - before),
            acknowledged=len(self.ledger.of(Answer.ACKNOWLEDGED) - before),
            refused=answered[Answer.REFUSED],
            silent=answered[Answer.SILENCE],
            faulty=answered[Answer.FAULTY],
            slowest=self.ledger.longest_wait,
            found=found,
            settled=time.monotonic() - began,
        )

    async def _settle(self) -> Findings:
        """Look again until all is well, or no more gets better; return what was found last."""
        deadline, best = time.monotonic() + _SETTLE_WITHIN, None
        while True:
            found: Findings | None = None
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                found = await self.oracle.look()
            if found is not None and (best is None or found.bad < best):
                deadline, best = time.monotonic() + _SETTLE_WITHIN, found.bad
            if (found is not None and not found.bad) or time.monotonic() > deadline:
                assert found is not None, "the database does not answer"
                return found
            await asyncio.sleep(0.5)


@asynccontextmanager
async def trial(site: Site, seed: int) -> AsyncIterator[Trial]:
    """Prepare a product for rounds of faults."""
    made = Trial(site, seed)
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
