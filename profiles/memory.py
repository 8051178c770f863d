"""Profiles as this process last wrote them, so that an active one is not read again with every batch."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from typing import Final
from uuid import UUID

from stores.postgres import Connection
from stores.profiles import Profile, lock_idle_profiles, lock_profiles, read_profiles

_ROOM: Final = 200_000


class Memory:
    """Holds whole profiles, those used last, up to `room` leaf states and memberships in all.

    Whatever changes a profile raises its version in the same transaction, and a profile is asked for under its row's
    lock: so one that is held at the row's version is the row. One that is lent comes back only once it is committed.
    """

    def __init__(self, room: int = _ROOM) -> None:
        self._room = room
        self._used = 0
        self._held: OrderedDict[tuple[UUID, UUID], tuple[Profile, int]] = OrderedDict()

    async def lock(
        self, connection: Connection, workspace: UUID, ids: Collection[UUID], *, wait: bool = True
    ) -> dict[UUID, Profile]:
        """Lock those profiles that exist, or only those that nobody else holds, and lend them whole."""
        versions = await (lock_profiles if wait else lock_idle_profiles)(connection, workspace, ids)
        profiles = self._take(workspace, versions)
        unknown = versions.keys() - profiles.keys()
        if unknown:
            profiles |= await read_profiles(connection, workspace, unknown)
        return profiles

    def keep(self, workspace: UUID, profiles: Iterable[Profile]) -> None:
        """Hold profiles as they have been committed."""
        for profile in profiles:
            if profile.merged_into is not None:
                continue
            size = 1 + len(profile.leaves) + len(profile.memberships)
            self._held[workspace, profile.id] = (profile, size)
            self._used += size
        while self._used > self._room:
            _, (_, size) = self._held.popitem(last=False)
            self._used -= size

    def forget(self, workspace: UUID, profile: UUID) -> None:
        """Drop a profile whose person was erased."""
        self._take(workspace, {profile: -1})

    def _take(self, workspace: UUID, versions: Mapping[UUID, int]) -> dict[UUID, Profile]:
        found = {}
        for profile_id, version in versions.items():
            held = self._held.pop((workspace, profile_id), None)
            if held is not None:
                self._used -= held[1]
                if held[0].version == version:
                    found[profile_id] = held[0]
        return found
