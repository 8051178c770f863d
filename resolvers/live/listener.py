"""What one subscription hears of the hub, and how much of it may wait."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final
from uuid import UUID

import msgspec

from domain.alias import Alias
from domain.segment import SegmentChange
from stores.reads.stamps import Stamp

MOST_WAITING: Final = 1_000
"""Changes that may wait for a slow subscriber before they are dropped and it must read them from Postgres."""

MOST_OF_ALL: Final = 10_000
"""Changes that may wait for all subscriptions of one connection together."""

Person = UUID | tuple[Alias, ...]
"""Someone by profile id, or by identifiers of which the first that is known counts."""


class Wanted(msgspec.Struct, frozen=True):
    """What a subscription is about: one person or everyone, some segments or all."""

    workspace: UUID
    person: Person | None = None
    keys: frozenset[str] | None = None
    personalises: bool = False
    """The person's own page shows it, so nothing is told unless they agree to personalisation."""
    state: bool = False
    """How the person's profile stands is wanted, instead of the changes of memberships."""


class Moved(msgspec.Struct, frozen=True):
    """The person became known, or turned out to be another profile."""

    before: UUID | None
    after: UUID


class Agreed(msgspec.Struct, frozen=True):
    """The person agrees to personalisation from now on, or no longer: `Listener.agrees` tells."""


class Marked(msgspec.Struct, frozen=True):
    """The person's profile stands otherwise than before; None: there is none that may be shown."""

    stamp: Stamp | None


class Overflowed(msgspec.Struct, frozen=True):
    """Changes were lost to this listener, which can still be read."""


class Restored(msgspec.Struct, frozen=True):
    """The database was restored from a backup: what anyone was told since is no longer so."""


class Closed(msgspec.Struct, frozen=True):
    """The hub is stopping."""


Heard = SegmentChange | Moved | Agreed | Marked | Overflowed | Restored | Closed


class Room:
    """What may still wait for all subscriptions of one connection together."""

    __slots__ = ("left",)

    def __init__(self, most: int = MOST_OF_ALL) -> None:
        self.left = most


class Listener:
    """A bounded queue in front of one subscriber. The hub puts in without waiting; a full queue is emptied.

    It is full as well when there is no `room` left for its connection. `overflowed` is told each time.
    """

    def __init__(self, wanted: Wanted, room: Room | None = None, overflowed: Callable[[], None] = lambda: None) -> None:
        self.wanted = wanted
        self._room = room or Room()
        self._overflowed = overflowed
        self.profile: UUID | None = wanted.person if isinstance(wanted.person, UUID) else None
        self.agrees = True
        """Whether the person agrees to personalisation; of someone unknown there is nothing to tell."""
        self.stamp: Stamp | None = None
        """How the person's profile stood when it was last looked at, if that is wanted."""
        self._waiting: deque[Heard] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    def hears(self, change: SegmentChange) -> bool:
        """Tell whether a change of the listener's workspace and person is about its segments."""
        return not self.wanted.state and (self.wanted.keys is None or change.segment_key in self.wanted.keys)

    def put(self, heard: Heard) -> None:
        """Leave something for the subscriber; of marks that wait only the last one counts."""
        if isinstance(heard, Marked) and self._waiting and isinstance(self._waiting[-1], Marked):
            self._waiting.pop()
            self._room.left += 1
        if self._closed:
            return
        if len(self._waiting) >= MOST_WAITING or self._room.left <= 0:
            lost = Restored() if Restored() in self._waiting else Overflowed()
            self.empty()
            self._append(lost)
            self._overflowed()
        self._append(heard)
        self._arrived.set()

    def close(self) -> None:
        """Let the subscriber end once it has taken what waits."""
        self._closed = True
        self._append(Closed())
        self._arrived.set()

    def empty(self) -> None:
        """Let go of what waits."""
        self._room.left += len(self._waiting)
        self._waiting.clear()

    async def take(self) -> Heard:
        """Wait for what comes next."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        self._room.left += 1
        return self._waiting.popleft()

    def _append(self, heard: Heard) -> None:
        self._room.left -= 1
        self._waiting.append(heard)
