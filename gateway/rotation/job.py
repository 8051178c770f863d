"""What the rotations of keys share: the steps by which a version comes in, takes over and goes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from domain.clock import Clock
from domain.errors import Refused
from domain.rotation import KeyState, KeyUse
from gateway.workspace import Workspaces
from privacy.keys import KeyProvider, WorkspaceKeys, new_key
from stores.postgres import Connection, Database
from stores.workspace_keys import StoredKey, add_version, changing_keys, move_version, read_stamp, read_versions

BATCH: Final = 2_000
"""Rows of one transaction: what it locks is free again within a fraction of a second."""
LANES: Final = 2
"""Batches under way side by side: while Postgres works on one, Python works on the other."""
_LOOK_AGAIN: Final = 0.2
_LOOKS: Final = 300

Report = Callable[[str, int, int], None]
"""Hears what is being done, how many of how many are done."""

Ready = Callable[[Connection], Awaitable[bool]]
"""Tells, while nobody writes, whether the next step may be taken."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a rotation works with. `database` is of the worker role and has a connection per lane and one more.

    `settle` is how long after a change every process is sure to know of it. Everything is taken up again where it was
    left, by any process at any time, and several may work at once.
    """

    database: Database
    provider: KeyProvider
    workspaces: Workspaces
    clock: Clock
    report: Report
    settle: timedelta

    async def versions(self, workspace: UUID, use: KeyUse) -> list[StoredKey]:
        """Read the versions of one use, in order."""
        async with self.database.across() as connection:
            return [each for each in await read_versions(connection, workspace) if each.use is use]

    async def bring_in(self, workspace: UUID, use: KeyUse) -> int:
        """Store the version to rotate to, unless a rotation is under way already, and return its number."""
        wrapped = await self.provider.wrap(new_key())
        async with self.database.across() as connection, changing_keys(connection, workspace):
            versions = [each for each in await read_versions(connection, workspace) if each.use is use]
            version = target_of(versions)
            if version > versions[-1].version:
                await add_version(connection, workspace, use, version, wrapped, self.clock())
        return version

    async def put_in_force(self, workspace: UUID, use: KeyUse, ready: Ready | None = None) -> bool:
        """Let the version that is coming take over, if it has not and nothing speaks against it; False if so."""
        async with self.database.across() as connection, changing_keys(connection, workspace):
            versions = [each for each in await read_versions(connection, workspace) if each.use is use]
            newest = versions[-1]
            if newest.state is not KeyState.COMING:
                return True
            if ready is not None and not await ready(connection):
                return False
            active = next(each for each in versions if each.state is KeyState.ACTIVE)
            now = self.clock()
            await move_version(connection, workspace, use, active.version, KeyState.LEAVING, now)
            await move_version(connection, workspace, use, newest.version, KeyState.ACTIVE, now)
        return True

    async def retire(self, workspace: UUID, use: KeyUse, version: int) -> None:
        """Retire a version under which nothing is stored any more, if it has not been."""
        async with self.database.across() as connection, changing_keys(connection, workspace):
            versions = await read_versions(connection, workspace)
            if any((each.use, each.version, each.state) == (use, version, KeyState.LEAVING) for each in versions):
                await move_version(connection, workspace, use, version, KeyState.RETIRED, self.clock())

    async def keys(self, workspace: UUID) -> WorkspaceKeys:
        """Give the keys of a workspace with every change that has been made."""
        async with self.database.across() as connection:
            stamp = await read_stamp(connection, workspace)
        return await self.workspaces.keys(workspace, stamp)

    async def settled(self, targets: Mapping[UUID, int], use: KeyUse) -> None:
        """Wait until every process is sure to know of the last change of each of these versions."""
        changed: list[datetime] = []
        for workspace, target in targets.items():
            versions = await self.versions(workspace, use)
            changed += [each.changed_at for each in versions if each.version == target and each.changed_at]
        until = max(changed, default=self.clock()) + self.settle
        total = round(self.settle.total_seconds())
        while (left := (until - self.clock()).total_seconds()) > 0:
            self.report("letting every process know", min(total, max(0, total - round(left))), total)
            await asyncio.sleep(min(left, 1.0))
        self.report("letting every process know", total, total)


def target_of(versions: list[StoredKey]) -> int:
    """Name the version that a rotation goes to: the next, or that of the rotation under way."""
    newest = versions[-1]
    moving = newest.state is KeyState.COMING or any(each.state is KeyState.LEAVING for each in versions)
    return newest.version if moving else newest.version + 1


class Patience:
    """Counts the passes that met only rows which others hold, and gives up on the last."""

    def __init__(self) -> None:
        self._looks = 0

    async def wait(self, left: int) -> None:
        """Wait a moment before the next pass. Raises `Refused` once it has gone on for a minute."""
        self._looks += 1
        if self._looks > _LOOKS:
            raise Refused(f"{left} rows are held by others; run the command again", code="conflict")
        await asyncio.sleep(_LOOK_AGAIN)


async def in_lanes(lane: Callable[[], Awaitable[None]]) -> None:
    """Run a lane so many times side by side; where one fails, end the others and raise what it raised."""
    tasks = [asyncio.ensure_future(lane()) for _ in range(LANES)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
