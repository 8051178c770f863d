"""What becomes of events as they arrive, for a console that watches. Nothing is kept: who is slow misses some."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import UUID

import msgspec

from resolvers.live.listener import Room
from stores.broadcast import Broadcast, Message
from stores.feed import FeedEntry, feed_channel

_MOST_WAITING: Final = 500


_decode = msgspec.json.Decoder(list[FeedEntry]).decode


class Watcher:
    """The newest items that one subscriber has not taken yet."""

    def __init__(self, room: Room | None = None) -> None:
        self._room = room or Room()
        self._waiting: deque[FeedEntry | None] = deque()
        self._arrived = asyncio.Event()

    def put(self, item: FeedEntry | None) -> None:
        """Leave an item, None as the last; the oldest gives way when too many wait."""
        if self._waiting and (len(self._waiting) >= _MOST_WAITING or self._room.left <= 0):
            self._waiting.popleft()
            self._room.left += 1
        self._waiting.append(item)
        self._room.left -= 1
        self._arrived.set()

    def empty(self) -> None:
        """Let go of what waits."""
        self._room.left += len(self._waiting)
        self._waiting.clear()

    async def items(self) -> AsyncGenerator[FeedEntry, None]:
        """Yield items as they come."""
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            item = self._waiting.popleft()
            self._room.left += 1
            if item is None:
                return
            yield item


class Feeds:
    """Joins a workspace's channel while someone watches it."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._watchers: dict[str, set[Watcher]] = defaultdict(set)

    @property
    def watchers(self) -> int:
        """How many watch."""
        return sum(map(len, self._watchers.values()))

    @asynccontextmanager
    async def watch(self, workspace: UUID, room: Room | None = None) -> AsyncIterator[Watcher]:
        """Watch a workspace's feed; `room` is that of the watcher's connection. Raises `StoreUnavailable`."""
        channel, watcher = feed_channel(workspace), Watcher(room)
        self._watchers[channel].add(watcher)
        try:
            if len(self._watchers[channel]) == 1:
                await self._broadcast.join(channel)
            yield watcher
        finally:
            self._watchers[channel].discard(watcher)
            watcher.empty()
            if not self._watchers[channel]:
                del self._watchers[channel]
                await self._broadcast.leave(channel)

    def hear(self, message: Message) -> None:
        """Hand a message to those who watch its channel; what cannot be read is not worth stopping for."""
        with suppress(msgspec.MsgspecError):
            for item in _decode(message.body):
                for watcher in self._watchers.get(message.channel, ()):
                    watcher.put(item)

    def close(self) -> None:
        """End every watcher."""
        for watcher in [each for watchers in self._watchers.values() for each in watchers]:
            watcher.put(None)
