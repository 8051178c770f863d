"""One ear per process on what was published, handed to the subscriptions that want it."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final, NamedTuple, Self, TypeVar
from uuid import UUID

import msgspec
import structlog

from domain.errors import StoreUnavailable
from domain.segment import SegmentChange
from resolvers.live.feed import Feeds
from resolvers.live.listener import Listener, Overflowed, Restored, Room, Wanted
from resolvers.live.people import People
from stores import changefeed
from stores.broadcast import Broadcast, Joined, Message
from stores.news import decode_news, news_channel, workspace_of
from stores.postgres import Database

Place = TypeVar("Place")


class Figures(NamedTuple):
    """What whoever operates the product is told of subscriptions."""

    overflowed: Callable[[], None] = lambda: None
    """A subscriber was too slow for what may wait for it."""
    pushed: Callable[[float], None] = lambda _seconds: None
    """So long after its instant, a change has been taken by a subscriber."""


_log = structlog.get_logger(__name__)

_QUIET_SECONDS: Final = 1.0
_PAGE: Final = 1_000
_MOST_MISSED: Final = 10_000


class Hub:
    """Dispatches published membership changes in the order of their positions, none missing and none twice.

    Redis brings them fast, Postgres whatever Redis lost: after a reconnect, at a gap in the positions, and each second
    in which nothing was heard, the hub compares with the newest position given and reads the rest there. So it also
    works, a second late, while Redis is down.
    """

    def __init__(self, database: Database, broadcast: Broadcast, figures: Figures = Figures()) -> None:  # noqa: B008 - it cannot change
        self._database = database
        self._broadcast = broadcast
        self.figures: Final = figures
        self._channel = ""
        self._position: int | None = None
        self._listeners: dict[UUID, set[Listener]] = defaultdict(set)
        self._of_profile: dict[tuple[UUID, UUID], set[Listener]] = defaultdict(set)
        self._of_everyone: dict[UUID, set[Listener]] = defaultdict(set)
        self._people = People(database, self._move)
        self._watching: Counter[UUID] = Counter()
        self.feeds: Final = Feeds(broadcast)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def subscriptions(self) -> int:
        """How many subscriptions are open."""
        return sum(map(len, self._listeners.values())) + self.feeds.watchers

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Listen while the context is open, also where Redis comes only later; end every subscription with it.

        Raises `StoreUnavailable` for Postgres.
        """
        async with self._database.workspace(None) as connection:
            self._channel = await changefeed.channel(connection)
        with suppress(StoreUnavailable):
            await self._broadcast.join(self._channel)
        await self._catch_up()
        self._tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._people.run())]
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            for task in self._tasks:
                with suppress(asyncio.CancelledError):
                    await task
            self.end()
            await self._broadcast.close()

    def end(self) -> None:
        """End every subscription."""
        for listener in [each for listeners in self._listeners.values() for each in listeners]:
            listener.close()
        self.feeds.close()

    @contextmanager
    def listen(self, wanted: Wanted, room: Room | None = None) -> Iterator[Listener]:
        """Hear, from now on, the changes that are wanted. What was published before is the caller's to read.

        `room` is that of the subscriber's connection.
        """
        listener = Listener(wanted, room, self.figures.overflowed)
        self._listeners[wanted.workspace].add(listener)
        if wanted.person is None:
            self._of_everyone[wanted.workspace].add(listener)
        else:
            self._people.add(listener)
        if listener.profile:
            self._of_profile[wanted.workspace, listener.profile].add(listener)
        try:
            yield listener
        finally:
            self._people.discard(listener)
            _leave(self._listeners, wanted.workspace, listener)
            _leave(self._of_everyone, wanted.workspace, listener)
            if listener.profile:
                _leave(self._of_profile, (wanted.workspace, listener.profile), listener)
            listener.empty()

    @asynccontextmanager
    async def watch(self, wanted: Wanted) -> AsyncIterator[Listener]:
        """Hear, from now on, how a person's profile stands (`wanted.state`). Raises `StoreUnavailable`."""
        channel, workspace = news_channel(wanted.workspace), wanted.workspace
        self._watching[workspace] += 1
        try:
            if self._watching[workspace] == 1:
                with suppress(StoreUnavailable):  # without news everyone is looked at each second
                    await self._broadcast.join(channel)
            with self.listen(wanted) as listener:
                await self.locate(listener)
                yield listener
        finally:
            self._watching[workspace] -= 1
            if not self._watching[workspace]:
                del self._watching[workspace]
                await self._broadcast.leave(channel)

    async def locate(self, listener: Listener) -> None:
        """Find out now who the listener's person is. Raises `StoreUnavailable`."""
        await self._people.locate(listener.wanted.workspace, [listener], quietly=True)

    def _move(self, listener: Listener, profile: UUID) -> None:
        workspace = listener.wanted.workspace
        if listener.profile:
            _leave(self._of_profile, (workspace, listener.profile), listener)
        listener.profile = profile
        self._of_profile[workspace, profile].add(listener)

    async def _hear(self) -> None:
        while True:
            try:
                heard = await self._broadcast.receive(_QUIET_SECONDS)
                await self._handle(heard)
            except StoreUnavailable:
                # Redis or Postgres is away. The position stays where it is, so nothing is skipped meanwhile.
                await asyncio.sleep(_QUIET_SECONDS / 2)
                with suppress(StoreUnavailable):
                    await self._catch_up()
            except Exception as error:  # noqa: BLE001 - every subscription of the process hangs on this loop
                _log.error("hub_failed", error=type(error).__name__)
                await asyncio.sleep(_QUIET_SECONDS)

    async def _handle(self, heard: Joined | Message | None) -> None:
        if not isinstance(heard, Message):
            if heard is None or heard.channel == self._channel:
                await self._catch_up()
        elif heard.channel == self._channel:
            try:
                changes = changefeed.decode_changes(heard.body)
            except msgspec.MsgspecError:
                _log.warning("unreadable_changes", channel=heard.channel)
                return
            for change in changes:
                await self._take(change)
        elif workspace := workspace_of(heard.channel):
            self._hear_news(workspace, heard.body)
        else:
            self.feeds.hear(heard)

    def _hear_news(self, workspace: UUID, body: bytes) -> None:
        with suppress(msgspec.MsgspecError):
            for profile in decode_news(body):
                if (workspace, profile) in self._of_profile:
                    self._people.hear(workspace, profile)
                else:
                    self._people.stir(workspace)

    async def _take(self, change: SegmentChange) -> None:
        position = await self._at()
        if change.position > position + 1:
            await self._fill(position, change.position - 1)
        if change.position > position:
            self._dispatch(change)
            self._position = change.position

    async def _catch_up(self) -> None:
        async with self._database.workspace(None) as connection:
            head = await changefeed.head(connection)
        if self._position is not None and head > self._position:
            await self._fill(self._position, head)
        elif self._position is not None and head < self._position:
            # The database was restored from a backup: what anyone was told since is no longer so.
            for workspace in list(self._listeners):
                self._tell_all(workspace, Restored())
        self._position = head

    async def _at(self) -> int:
        if self._position is None:
            await self._catch_up()
        return self._position or 0

    async def _fill(self, after: int, through: int) -> None:
        """Read what was missed, for the workspaces that someone listens to."""
        for workspace in list(self._listeners):
            if through - after > _MOST_MISSED:
                self._tell_all(workspace, Overflowed())
                continue
            reached = after
            while reached < through:
                async with self._database.workspace(workspace) as connection:
                    missed = await changefeed.of_workspace(connection, reached, through, _PAGE)
                for change in missed:
                    self._dispatch(change)
                reached = missed[-1].position if len(missed) == _PAGE else through

    def _tell_all(self, workspace: UUID, heard: Overflowed | Restored) -> None:
        for listener in self._listeners[workspace]:
            listener.put(heard)

    def _dispatch(self, change: SegmentChange) -> None:
        of_profile = self._of_profile.get((change.workspace, change.profile_id))
        if of_profile is None:
            self._people.stir(change.workspace)
        for listener in (*(of_profile or ()), *self._of_everyone.get(change.workspace, ())):
            if listener.hears(change):
                listener.put(change)
        if of_profile and change.workspace in self._watching:
            self._people.hear(change.workspace, change.profile_id)


def _leave(places: dict[Place, set[Listener]], place: Place, listener: Listener) -> None:
    listeners = places.get(place, set())
    listeners.discard(listener)
    if not listeners:
        places.pop(place, None)
