"""A subscription's story of one person: how things stand, then each time that they stand otherwise.

Only the newest state counts, so a slow subscriber is told fewer steps and never an old one after a newer.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from domain.clock import Clock
from resolvers.live.hub import Hub
from resolvers.live.listener import Closed, Marked, Moved, Wanted
from stores.reads.stamps import Stamp

PARTS: Final = ("traits", "counters", "segments", "consents", "identities")


class StateKind(StrEnum):
    """What a message says."""

    SNAPSHOT = "snapshot"
    CHANGED = "changed"
    RESYNC = "resync"


class State(msgspec.Struct, frozen=True):
    """One message. `stamp` is None while there is no profile that may be shown."""

    kind: StateKind
    at: datetime
    stamp: Stamp | None
    changed: tuple[str, ...] = ()

    @property
    def place(self) -> "Place | None":
        """What to go on after."""
        return Place(self.stamp.profile_id, digest(self.stamp)) if self.stamp else None


class Place(msgspec.Struct, frozen=True, array_like=True):
    """What a subscriber was told last."""

    profile: UUID
    digest: str


class States:
    """Tells one subscriber how a person's profile stands."""

    def __init__(self, hub: Hub, clock: Clock, wanted: Wanted) -> None:
        self._hub = hub
        self._clock = clock
        self._wanted = wanted

    async def follow(
        self, after: Place | None = None, *, resync: bool = False, every: float | None = None
    ) -> AsyncGenerator[State, None]:
        """Yield states until the hub stops. Raises `StoreUnavailable`.

        Who was told of the state `after` hears only of later ones, unless the person is another profile by now;
        `resync` begins with that notice. With `every`, the state is told again after so many seconds without news.
        """
        async with self._hub.watch(self._wanted) as listener:
            stamp = listener.stamp
            if resync or (after and (stamp is None or stamp.profile_id != after.profile)):
                yield self._state(StateKind.RESYNC, None)
                yield self._state(StateKind.SNAPSHOT, stamp)
            elif after is None:
                yield self._state(StateKind.SNAPSHOT, stamp)
            elif stamp and digest(stamp) != after.digest:
                yield self._state(StateKind.CHANGED, stamp)
            while True:
                try:
                    async with asyncio.timeout(every):
                        heard = await listener.take()
                except TimeoutError:
                    yield self._state(StateKind.CHANGED, stamp)
                    continue
                match heard:
                    case Closed():
                        return
                    case Moved() if stamp is not None:
                        yield self._state(StateKind.RESYNC, None)
                        stamp = None
                    case Marked():
                        before, stamp = stamp, heard.stamp
                        for state in self._told(before, stamp):
                            yield state

    def _told(self, before: Stamp | None, after: Stamp | None) -> list[State]:
        if before is None or after is None:
            told = [self._state(StateKind.SNAPSHOT, after)]
            return told if before is None else [self._state(StateKind.RESYNC, None), *told]
        changed = tuple(part for part in PARTS if getattr(before, part) != getattr(after, part))
        if not changed and before.version == after.version:
            return []
        return [self._state(StateKind.CHANGED, after, changed)]

    def _state(self, kind: StateKind, stamp: Stamp | None, changed: tuple[str, ...] = ()) -> State:
        return State(kind, self._clock(), stamp, changed)


def digest(stamp: Stamp) -> str:
    """Name a state in a few letters."""
    shown = [stamp.profile_id, stamp.version, *(getattr(stamp, part) for part in PARTS)]
    return hashlib.blake2b(msgspec.json.encode(shown), digest_size=12).hexdigest()
