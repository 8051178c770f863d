"""Time itself as an input: leaves flip at their instants, with no traffic, also after a restart.

Timers live in Postgres beside the states that they are about, so there is nothing to restore.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from domain.errors import StoreUnavailable
from profiles.work import Work
from profiles.workshop import Workshop
from stores.changes import call_publisher
from stores.faults import Contended, Unfit, transaction
from stores.postgres import Connection
from stores.timers import Due, due_leaves, next_due

AT_ONCE: Final = 256
"""Profiles per transaction, so that live batches get their turn between them."""

_LOG = structlog.get_logger(__name__)
_READ_AT_ONCE: Final = 4_096
_LONGEST_SLEEP: Final = 1.0
_GIVE_WAY_SECONDS: Final = 0.05
_HELD_PAUSE: Final = 0.02
_STORE_PAUSE: Final = 0.5


class Timers:
    """Looks at due leaves. Any number may run; they pass over profiles that somebody else holds."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._woken = asyncio.Event()
        self._planned: datetime | None = None

    def wake(self, due: datetime) -> None:
        """Tell of a timer that was just written: it may be sooner than the one slept for."""
        if self._planned is None or due < self._planned:
            self._woken.set()

    async def run(self) -> None:
        """Look at leaves as they become due, until cancelled."""
        while True:
            try:
                pause = _HELD_PAUSE if await self.fire() else await self._until_next()
            except StoreUnavailable:
                pause = _STORE_PAUSE
            except Contended:
                pause = _HELD_PAUSE
            except Unfit as fault:
                _LOG.error("timers_failed", problem=str(fault))
                pause = _STORE_PAUSE
            self._woken.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def fire(self) -> int:
        """Look at what is due now, in order, and return how many leaves are left for those who hold their profiles.

        Raises `StoreUnavailable`, `Contended`.
        """
        while True:
            async with self._workshop.database.across() as connection:
                due = await due_leaves(connection, self._workshop.clock(), _READ_AT_ONCE)
            done = 0
            for workspace, those in _waves(due):
                await self._workshop.precedence.give_way(_GIVE_WAY_SECONDS)
                async with self._workshop.database.across() as connection:
                    done += await self._look(connection, workspace, those)
            if done == 0 or len(due) < _READ_AT_ONCE:
                return len(due) - done

    async def _look(self, connection: Connection, workspace: UUID, due: Sequence[Due]) -> int:
        async with transaction(connection):
            definitions = await self._workshop.catalogue.share(connection, workspace)
            if definitions is None:
                return 0
            profiles = await self._workshop.memory.lock(
                connection, workspace, {each.profile_id for each in due}, wait=False
            )
            now = self._workshop.clock()
            work = Work(connection, workspace, definitions, profiles, now)
            mine = [each for each in due if each.profile_id in profiles]
            for each in mine:
                index, touch = work.index(each.profile_id), work.touch(each.profile_id)
                touch.time(index, profiles[each.profile_id], each.leaf, each.at, now)
            await work.settle()
        self._workshop.memory.keep(workspace, profiles.values())
        if work.changes:
            await call_publisher(connection)
        self._workshop.metrics.timers.inc(len(mine))
        self._workshop.metrics.changes.inc(len(work.changes))
        return len(mine)

    async def _until_next(self) -> float:
        async with self._workshop.database.across() as connection:
            self._planned = await next_due(connection)
        if self._planned is None:
            return _LONGEST_SLEEP
        return min(max((self._planned - self._workshop.clock()).total_seconds(), 0.0), _LONGEST_SLEEP)


def _waves(due: Sequence[Due]) -> Iterator[tuple[UUID, list[Due]]]:
    """Divide leaves so that all of one profile come together, and those that are due first come first."""
    by_profile: dict[UUID, dict[UUID, list[Due]]] = defaultdict(lambda: defaultdict(list))
    for each in due:
        by_profile[each.workspace_id][each.profile_id].append(each)
    for workspace, profiles in sorted(by_profile.items()):
        those = list(profiles.values())
        for start in range(0, len(those), AT_ONCE):
            yield workspace, [each for leaves in those[start : start + AT_ONCE] for each in leaves]
