"""A subscription's story of memberships: what stands, then what changes, never with a gap and never twice."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.clock import Clock
from domain.segment import ChangeKind, SegmentChange
from resolvers.live.hub import Hub
from resolvers.live.listener import Closed, Heard, Listener, Moved, Overflowed, Restored, Room, Wanted
from stores import changefeed
from stores.changefeed import Snapshot, Standing
from stores.postgres import Database

_MOST_MEMBERS: Final = 1_000
_PAGE: Final = 500
_MOST_REPLAYED: Final = 10_000
_RESUMABLE: Final = changefeed.KEPT - timedelta(hours=1)
"""A cursor's age is its own clock's word, so it is trusted a little less long than changes are kept."""


class NoticeKind(StrEnum):
    """What a notice says."""

    SNAPSHOT_MEMBER = "snapshot_member"
    SNAPSHOT_END = "snapshot_end"
    ENTERED = "entered"
    EXITED = "exited"
    RESYNC = "resync"


class Notice(msgspec.Struct, frozen=True):
    """One payload. Those with a `position` may be resumed after."""

    kind: NoticeKind
    at: datetime
    position: int | None = None
    located: UUID | None = None
    """Which profile the person was at that position."""
    profile_id: UUID | None = None
    profile_version: int | None = None
    segment_key: str | None = None
    segment_version: int | None = None
    cause: dict[str, Any] | None = None
    traceparent: str | None = None


class Resumption(msgspec.Struct, frozen=True):
    """Where a subscriber left off, when it was told so, and who the person was."""

    position: int
    located: UUID | None
    issued: datetime


class Changes:
    """Tells one subscriber about `wanted`, from a snapshot or from where they left off."""

    def __init__(self, hub: Hub, database: Database, clock: Clock, wanted: Wanted, room: Room | None = None) -> None:
        self._hub = hub
        self._database = database
        self._clock = clock
        self._wanted = wanted
        self._room = room
        self._keys = None if wanted.keys is None else sorted(wanted.keys)
        self._told = 0
        self._located: UUID | None = None
        self._withheld = False

    async def follow(self, after: Resumption | None, *, resync: bool = False) -> AsyncGenerator[Notice, None]:
        """Yield notices until the hub stops. `resync` begins with that notice. Raises `StoreUnavailable`."""
        with self._hub.listen(self._wanted, self._room) as listener:
            # Read before the person is looked up: whoever is unknown then has no change up to here.
            head = await self._head()
            await self._hub.locate(listener)
            self._located, self._withheld = listener.profile, not listener.agrees
            async for notice in self._begin(head, after, resync=resync):
                yield notice
            while not isinstance(heard := await listener.take(), Closed):
                async for notice in self._hear(heard, listener):
                    yield notice

    async def _begin(self, head: int, after: Resumption | None, *, resync: bool) -> AsyncGenerator[Notice, None]:
        if self._withheld:
            self._told = head
            told = self._nothing(resync=resync or after is not None)
        elif after and self._can_resume(after, head):
            self._told = after.position
            told = self._replay() if self._located == after.located else self._moved(after.located)
        else:
            self._told = head
            told = self._start_over() if after or resync else self._snapshot()
        async for notice in told:
            yield notice

    def _can_resume(self, after: Resumption, head: int) -> bool:
        return after.position <= head and self._clock() - after.issued < _RESUMABLE

    async def _hear(self, heard: Heard, listener: Listener) -> AsyncGenerator[Notice, None]:
        """Tell nothing while the person does not agree; once they do, the story begins anew where they stand.

        Whether they agree, and who they are, is by the last look at the person, which may be newer than what is heard.
        """
        told, agrees = self._tell(heard, listener), listener.agrees
        if self._withheld or not agrees:
            self._located = listener.profile
            changed, self._withheld = agrees is self._withheld, not agrees
            if not changed:
                return
            told = self._start_over() if agrees else self._nothing(resync=True)
        async for notice in told:
            yield notice

    async def _tell(self, heard: Heard, listener: Listener) -> AsyncGenerator[Notice, None]:
        match heard:
            case SegmentChange():
                if heard.position > self._told:
                    yield self._changed(heard)
                    # Who asks for the next has been sent this one.
                    self._hub.figures.pushed(max(0.0, (self._clock() - heard.at).total_seconds()))
            case Moved() | Overflowed():
                # That the person is another profile by now may also be among what was lost. Where a snapshot was
                # already taken of whom they moved to, there is nothing to add.
                before, self._located = self._located, listener.profile
                if before != self._located:
                    async for notice in self._moved(before):
                        yield notice
                elif isinstance(heard, Overflowed):
                    async for notice in self._replay():
                        yield notice
            case Restored():
                async for notice in self._start_over():
                    yield notice

    async def _moved(self, before: UUID | None) -> AsyncGenerator[Notice, None]:
        """Go on with the profile that the person turned out to be.

        One who was unknown and was in nothing when last told is told what happened since; else the story starts over.
        """
        told = self._start_over()
        if before is None and self._located:
            async with self._database.workspace(self._wanted.workspace) as connection:
                then = await changefeed.of_profile(connection, self._located, self._keys, self._told)
            if not then.standings:
                told = self._replay()
        async for notice in told:
            yield notice

    async def _nothing(self, *, resync: bool) -> AsyncGenerator[Notice, None]:
        """Tell of an empty story; it cannot be resumed, as it starts over once it may be told again."""
        if resync:
            yield self._notice(NoticeKind.RESYNC)
        yield self._notice(NoticeKind.SNAPSHOT_END)

    async def _start_over(self) -> AsyncGenerator[Notice, None]:
        yield self._notice(NoticeKind.RESYNC)
        async for notice in self._snapshot():
            yield notice

    async def _replay(self) -> AsyncGenerator[Notice, None]:
        if self._is_unknown():
            return
        for _ in range(_MOST_REPLAYED // _PAGE):
            async with self._database.workspace(self._wanted.workspace) as connection:
                missed = await changefeed.since(connection, self._told, self._located, self._keys, _PAGE)
            for change in missed:
                yield self._changed(change)
            if len(missed) < _PAGE:
                return
        async for notice in self._start_over():
            yield notice

    async def _snapshot(self) -> AsyncGenerator[Notice, None]:
        snapshot = await self._standings()
        self._told = snapshot.position
        for standing in snapshot.standings:
            yield self._stands(standing)
        yield self._notice(
            NoticeKind.SNAPSHOT_END,
            position=snapshot.position,
            located=self._located,
            cause={"cut": snapshot.cut} if snapshot.cut else None,
        )

    async def _standings(self) -> Snapshot:
        if self._is_unknown():
            return Snapshot(position=self._told, standings=[])
        async with self._database.workspace(self._wanted.workspace) as connection:
            if self._located:
                return await changefeed.of_profile(connection, self._located, self._keys)
            if self._keys is not None:
                return await changefeed.of_segments(connection, self._keys, _MOST_MEMBERS)
            return Snapshot(position=await changefeed.head(connection), standings=[])

    def _is_unknown(self) -> bool:
        return self._wanted.person is not None and self._located is None

    async def _head(self) -> int:
        async with self._database.workspace(self._wanted.workspace) as connection:
            return await changefeed.head(connection)

    def _changed(self, change: SegmentChange) -> Notice:
        self._told = change.position
        return Notice(
            kind=NoticeKind.ENTERED if change.kind is ChangeKind.ENTERED else NoticeKind.EXITED,
            at=change.at,
            position=change.position,
            located=self._located,
            profile_id=change.profile_id,
            profile_version=change.profile_version,
            segment_key=change.segment_key,
            segment_version=change.segment_version,
            cause=change.cause,
            traceparent=change.traceparent,
        )

    def _stands(self, standing: Standing) -> Notice:
        return Notice(
            kind=NoticeKind.SNAPSHOT_MEMBER,
            at=standing.entered_at,
            profile_id=standing.profile_id,
            profile_version=standing.profile_version,
            segment_key=standing.segment_key,
            segment_version=standing.segment_version,
            cause=standing.cause,
        )

    def _notice(self, kind: NoticeKind, **more: Any) -> Notice:
        return Notice(kind=kind, at=self._clock(), **more)
