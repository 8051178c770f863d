"""Applying a new or edited segment to the profiles that are there, and undoing a deleted one, while events keep coming.

Profiles are taken in the order of their ids. Up to where the work has come, live events are judged by the new
definition, beyond it by the previous one, so each profile switches once, in the transaction that rebuilds it.
"""

from time import monotonic
from typing import Final
from uuid import UUID

import structlog

from domain.segment import SegmentStatus
from profiles.catalogue import compile_segment, unreadable
from profiles.chores import finish, keep_at
from profiles.segments.index import Segment
from profiles.work import Work
from profiles.workshop import Workshop
from stores.changes import call_publisher
from stores.faults import Unfit, transaction
from stores.postgres import Connection
from stores.profiles import profiles_after
from stores.segments import (
    StoredSegment,
    delete_segment,
    finish_segment,
    forget_leaves,
    hold_definitions,
    live_definitions,
    pending_segments,
    read_segment,
    save_built_through,
    segment_members,
    try_own_segment,
)

_LOG = structlog.get_logger(__name__)
_FORGET_AT_ONCE: Final = 5_000
INSPECT_EVERY: Final = 60.0
"""Seconds until live definitions are read again."""


class Backfill:
    """Builds and deletes segments. Any number may run: each step of a segment is one worker's.

    `at_once` profiles are rebuilt per transaction; live events of the workspace wait for one such step at most.
    """

    def __init__(self, workshop: Workshop, *, at_once: int = 100) -> None:
        self._workshop = workshop
        self._at_once = at_once
        self._inspected_at = -INSPECT_EVERY

    async def run(self) -> None:
        """Work on segments as they are saved and deleted, until cancelled."""
        await keep_at("backfill", self._go_on)

    async def finish_all(self) -> None:
        """Work until no segment waits but those that another worker has. Raises `StoreUnavailable`, `Contended`."""
        async with self._workshop.database.across() as connection:
            pending = await pending_segments(connection)
        await finish(pending, self.step)

    async def _go_on(self) -> None:
        if monotonic() - self._inspected_at >= INSPECT_EVERY:
            await self.inspect()
            self._inspected_at = monotonic()
        await self.finish_all()

    async def inspect(self) -> None:
        """Let live segments whose definition this version cannot read have failed, with the reason.

        Their members stay as they are. Raises `StoreUnavailable`, `Contended`.
        """
        async with self._workshop.database.across() as connection:
            for workspace, segment, definition in await live_definitions(connection):
                problem = unreadable(definition)
                if problem is None:
                    continue
                async with transaction(connection):
                    await hold_definitions(connection, workspace)
                    stored = await read_segment(connection, workspace, segment)
                    if stored and stored.status is SegmentStatus.LIVE and stored.definition == definition:
                        await self._fail(connection, workspace, segment, problem)

    async def step(self, workspace: UUID, segment: UUID) -> bool:
        """Take one segment one transaction further, and tell whether there is more to do on it."""
        async with self._workshop.database.across() as connection:
            try:
                async with transaction(connection):
                    if not await try_own_segment(connection, segment):
                        return False
                    await hold_definitions(connection, workspace)
                    stored = await read_segment(connection, workspace, segment)
                    more, changes = await self._advance(connection, workspace, stored)
            except Unfit as fault:
                async with transaction(connection):
                    await self._fail(connection, workspace, segment, str(fault))
                return False
            if changes:
                await call_publisher(connection)
        self._workshop.metrics.changes.inc(changes)
        return more

    async def _advance(self, connection: Connection, workspace: UUID, stored: StoredSegment | None) -> tuple[bool, int]:
        if stored is None:
            return False, 0
        if stored.status is SegmentStatus.DELETING:
            return await self._delete(connection, workspace, stored)
        if stored.status is SegmentStatus.BUILDING:
            return await self._build(connection, workspace, stored)
        return await self._forget(connection, workspace), 0

    async def _build(self, connection: Connection, workspace: UUID, stored: StoredSegment) -> tuple[bool, int]:
        segment = compile_segment(stored)
        if segment is None:
            problem = unreadable(stored.definition)
            await self._finish(connection, workspace, stored.id, SegmentStatus.FAILED, problem)
            return False, 0
        ids = await profiles_after(connection, workspace, stored.built_through, self._at_once)
        if not ids:
            await self._finish(connection, workspace, stored.id, SegmentStatus.LIVE)
            return True, 0
        await save_built_through(connection, workspace, stored.id, ids[-1])
        return True, await self._rebuild(connection, workspace, segment, ids)

    async def _rebuild(self, connection: Connection, workspace: UUID, segment: Segment, ids: list[UUID]) -> int:
        profiles = await self._workshop.memory.lock(connection, workspace, ids)
        definitions = await self._workshop.catalogue.read(connection, workspace)
        if definitions is None:
            return 0
        work = Work(connection, workspace, definitions, profiles, self._workshop.clock())
        for profile in profiles.values():
            if profile.merged_into is None:
                touch = work.touch(profile.id)
                touch.rebuild.update(leaf.state for leaf in segment.kept)
                touch.segment(work.index(profile.id), segment.id, {"backfill": segment.version})
        await work.settle()
        return len(work.changes)

    async def _delete(self, connection: Connection, workspace: UUID, stored: StoredSegment) -> tuple[bool, int]:
        ids = await segment_members(connection, workspace, stored.id, self._at_once)
        if not ids:
            more = await self._forget(connection, workspace)
            if not more:
                await delete_segment(connection, workspace, stored.id)
            return more, 0
        profiles = await self._workshop.memory.lock(connection, workspace, ids)
        definitions = await self._workshop.catalogue.read(connection, workspace)
        if definitions is None:
            return False, 0
        now = self._workshop.clock()
        work = Work(connection, workspace, definitions, profiles, now)
        for profile in profiles.values():
            work.leave(profile.id, profile.memberships[stored.id], now, {"deleted": True})
        await work.settle()
        return True, len(work.changes)

    async def _forget(self, connection: Connection, workspace: UUID) -> bool:
        """Remove some states that no definition needs any more, and tell whether there may be others."""
        definitions = await self._workshop.catalogue.read(connection, workspace)
        if definitions is None:
            return False
        return await forget_leaves(connection, workspace, definitions.states(), _FORGET_AT_ONCE) == _FORGET_AT_ONCE

    async def _fail(self, connection: Connection, workspace: UUID, segment: UUID, error: str) -> None:
        _LOG.error("segment_failed", segment=str(segment), problem=error)
        await self._finish(connection, workspace, segment, SegmentStatus.FAILED, error)

    async def _finish(
        self,
        connection: Connection,
        workspace: UUID,
        segment: UUID,
        status: SegmentStatus,
        error: str | None = None,
    ) -> None:
        await finish_segment(connection, workspace, segment, status, error=error, at=self._workshop.clock())
