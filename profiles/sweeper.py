"""Time taking away what it may: events, fields, traits and people, then the tables that only grow.

Any number of builders may sweep: each step of a part is one's, in one transaction, and the next step may be another's.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
import structlog

from domain.alias import Alias
from domain.errors import LogUnavailable, Refused, StoreUnavailable
from domain.topics import DEAD_LETTERS, EVENTS, SEGMENT_CHANGES
from privacy.keys import WorkspaceKeys
from privacy.ledger.closing import closing_key
from privacy.plan import read_plan
from privacy.retention import Retention
from profiles.fading import Part, Scene, Taken, What, parts_of
from profiles.workshop import Workshop
from stores import sweeps
from stores.changefeed import KEPT
from stores.changes import call_publisher
from stores.eventlog.port import EventLog
from stores.faults import Contended, Unfit, transaction
from stores.plans import read_newest_plan
from stores.postgres import Connection
from stores.sweeps import Progress
from stores.workspaces import list_workspaces

Forget = Callable[[UUID, Collection[Alias]], Awaitable[None]]

_LOOK_EVERY: Final = 300.0
_RETRY_AFTER: Final = 5.0
_AT_ONCE: Final = 200
_PAGES_AT_ONCE: Final = 256
_ROUND: Final = timedelta(days=1)
_LOSSES_KEPT: Final = timedelta(days=90)
_SEEN_LONGER: Final = timedelta(days=7)
"""A message id is remembered longer than the log could bring the message again."""

_TABLES: Final = {
    "message_seen": What.MESSAGES,
    "segment_change": What.CHANGES,
    "dead_letter": What.DEAD_LETTERS,
    "dropped_field": What.LOSSES,
}

_LOG = structlog.get_logger(__name__)


class _Walk(msgspec.Struct):
    """Where this process is on its way through a table, and when it last came to the end."""

    page: int = 0
    ended_at: datetime | None = None


class _Undo(Exception):
    """Rolls back a step that was only to be looked at."""


class Sweeper:
    """Sweeps all workspaces. `keep` is how long the log is kept, and what hangs on it; `forget` drops cached subjects.

    `keys_of` gives a workspace's keys, under which the ledger's records of people who go are marked.
    A sweeper that only `looks` rolls every step back and says what it would have taken.
    """

    def __init__(
        self,
        workshop: Workshop,
        log: EventLog,
        *,
        keep: timedelta,
        keys_of: Callable[[UUID], Awaitable[WorkspaceKeys]],
        forget: Forget | None = None,
        looks: bool = False,
        at_once: int = _AT_ONCE,
        pages_at_once: int = _PAGES_AT_ONCE,
    ) -> None:
        self._workshop = workshop
        self._log = log
        self._forget = forget
        self._looks = looks
        self._at_once = at_once
        self._pages_at_once = pages_at_once
        self._kept = {
            "message_seen": keep + _SEEN_LONGER,
            "segment_change": max(keep, KEPT),
            "dead_letter": keep,
            "dropped_field": _LOSSES_KEPT,
        }
        self._keep = keep
        self._keys_of = keys_of
        self._plans: dict[UUID, tuple[int, Retention]] = {}
        self._seen: dict[tuple[UUID, str], Progress] = {}
        self._walks = {table: _Walk() for table in sweeps.TABLES}

    async def run(self) -> None:
        """Sweep every few minutes, until cancelled."""
        while True:
            pause = _LOOK_EVERY
            try:
                async for _ in self.sweep():
                    await asyncio.sleep(0)  # live batches go first
            except (Contended, LogUnavailable, StoreUnavailable) as error:
                _LOG.warning("sweep_waits", problem=str(error))
                pause = _RETRY_AFTER
            except Unfit as error:
                _LOG.error("sweep_failed", problem=str(error))
            await asyncio.sleep(pause)

    async def sweep(self) -> AsyncIterator[Counter[What]]:
        """Take away all whose time is over, step by step, and tell what each step took.

        Raises `StoreUnavailable`, `Contended`, `LogUnavailable`; what was taken until then is gone.
        """
        async with self._workshop.database.across() as connection:
            workspaces = [row.id for row in await list_workspaces(connection)]
        for workspace in workspaces:
            async for taken in self._workspace(workspace):
                yield taken
        for table in sweeps.TABLES:
            async for taken in self._table(table):
                yield taken
        if not self._looks:
            await self._trim_log()

    async def _workspace(self, workspace: UUID) -> AsyncIterator[Counter[What]]:
        async with self._workshop.database.across() as connection:
            plan = await self._retention(connection, workspace)
            if plan is None:
                return
            version, retention = plan
            key = closing_key(await self._keys_of(workspace))
            for part in parts_of(retention, self._workshop.catalogue, self._workshop.memory, self._at_once):
                more = True
                while more:
                    taken = await self._step(connection, part, workspace, version, retention, key)
                    more = taken.more
                    yield taken.tally

    async def _step(
        self, connection: Connection, part: Part, workspace: UUID, version: int, retention: Retention, key: bytes
    ) -> Taken:
        taken = Taken(None, more=False)
        with suppress(_Undo):
            async with transaction(connection):
                if not await sweeps.try_own_part(connection, workspace, part.name):
                    return taken
                before = self._seen.get((workspace, part.name)) if self._looks else None
                before = before or await sweeps.read_progress(connection, workspace, part.name)
                now = self._workshop.clock()
                after = _resumed(part, before, version, now)
                if after.place is None:
                    return taken
                taken = await part.step(Scene(connection, workspace, retention, now, key), after.place)
                after = msgspec.structs.replace(after, place=taken.place)
                if self._looks:
                    self._seen[workspace, part.name] = after
                    raise _Undo
                if after != before:
                    await sweeps.save_progress(connection, workspace, part.name, after)
        if not self._looks:
            await self._report(connection, workspace, taken)
        return taken

    async def _report(self, connection: Connection, workspace: UUID, taken: Taken) -> None:
        self._workshop.memory.keep(workspace, taken.profiles)
        for what, number in taken.tally.items():
            self._workshop.metrics.swept.labels(what.name.lower()).inc(number)
        if taken.changes:
            self._workshop.metrics.changes.inc(taken.changes)
            await call_publisher(connection)
        if self._forget and taken.stale:
            try:
                await self._forget(workspace, taken.stale)
            except StoreUnavailable:
                # Entries live for a minute; the subject that they name lives for a day yet.
                _LOG.warning("subject_cache_not_dropped")

    async def _table(self, table: str) -> AsyncIterator[Counter[What]]:
        now, what = self._workshop.clock(), _TABLES[table]
        before = now - self._kept[table]
        if self._looks:
            async with self._workshop.database.across() as connection:
                yield Counter({what: await sweeps.count_old(connection, table, before)})
            return
        walk = self._walks[table]
        if walk.ended_at is not None and now - walk.ended_at < _ROUND:
            return
        async with self._workshop.database.across() as connection:
            pages = await sweeps.count_pages(connection, table)
        while walk.page < pages:
            async with self._workshop.database.across() as connection, transaction(connection):
                if not await sweeps.try_own_part(connection, None, table):
                    return
                removed = await sweeps.delete_old(connection, table, before, walk.page, self._pages_at_once)
            walk.page += self._pages_at_once
            self._workshop.metrics.swept.labels(what.name.lower()).inc(removed)
            yield Counter({what: removed})
        walk.page, walk.ended_at = 0, now

    async def _trim_log(self) -> None:
        """Cut off what is old and has been read by all who read it."""
        before = self._workshop.clock() - self._keep
        for topic in (EVENTS, DEAD_LETTERS, SEGMENT_CHANGES):
            source = await self._log.source(topic)
            async with self._workshop.database.across() as connection:
                passed = await sweeps.passed_offsets(connection, source)
            # Builders read every partition of the events, also those that they have not come to yet.
            ends = await self._log.ends(topic) if topic == EVENTS else passed
            await self._log.trim(topic, before, {partition: passed.get(partition, 0) for partition in ends})

    async def _retention(self, connection: Connection, workspace: UUID) -> tuple[int, Retention] | None:
        stored = await read_newest_plan(connection, workspace)
        if stored is None:
            return None
        known = self._plans.get(workspace)
        if known is None or known[0] != stored.version:
            try:
                known = (stored.version, Retention(read_plan(stored.document)))
            except Refused as refused:
                _LOG.error("plan_unusable", workspace=str(workspace), problem=refused.detail)
                return None
            self._plans[workspace] = known
        return known


def _resumed(part: Part, before: Progress | None, version: int, now: datetime) -> Progress:
    """Tell where a part goes on: at its start where the plan is another, or its day is over."""
    if before is None or before.plan_version != version or (part.repeats and now - before.begun_at >= _ROUND):
        return Progress(version, part.start, now)
    return before
