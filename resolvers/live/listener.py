"""What one subscription hears of the hub, and how much of it may wait."""

import asyncio
from collections import deque
from typing import Final
from uuid import UUID

import msgspec

from domain.alias import Alias
from domain.segment import SegmentChange

MOST_WAITING: Final = 1_000
"""Changes that may wait for a slow subscriber before they are dropped and it must start over."""

Person = UUID | tuple[Alias, ...]
"""Someone by profile id, or by identifiers of which the first that is known counts."""


class Wanted(msgspec.Struct, frozen=True):
    """What a subscription is about: one person or everyone, some segments or all."""

    workspace: UUID
    person: Person | None = None
    keys: frozenset[str] | None = None
    personalises: bool = False
    """The person's own page shows it, so nothing is told unless they agree to personalisation."""


class Moved(msgspec.Struct, frozen=True):
    """The person became known, or turned out to be another profile."""

    before: UUID | None
    after: UUID


class Agreed(msgspec.Struct, frozen=True):
    """The person agrees to personalisation from now on, or no longer."""

    agrees: bool


class Overflowed(msgspec.Struct, frozen=True):
    """Changes were lost to this listener."""


class Closed(msgspec.Struct, frozen=True):
    """The hub is stopping."""


Heard = SegmentChange | Moved | Agreed | Overflowed | Closed


class Listener:
    """A bounded queue in front of one subscriber. The hub puts in without waiting; a full queue is emptied."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.profile: UUID | None = wanted.person if isinstance(wanted.person, UUID) else None
        self.agrees = True
        """Whether the person agrees to personalisation; of someone unknown there is nothing to tell."""
        self._waiting: deque[Heard] = deque()
        self._arrived = asyncio.Event()

    def hears(self, change: SegmentChange) -> bool:
        """Tell whether a change of the listener's workspace and person is about its segments."""
        return self.wanted.keys is None or change.segment_key in self.wanted.keys

    def put(self, heard: Heard) -> None:
        """Leave something for the subscriber."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.clear()
            self._waiting.append(Overflowed())
        self._waiting.append(heard)
        self._arrived.set()

    def close(self) -> None:
        """Let the subscriber end once it has taken what waits."""
        self._waiting.append(Closed())
        self._arrived.set()

    async def take(self) -> Heard:
        """Wait for what comes next."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()
