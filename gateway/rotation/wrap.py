"""Rotating the key that wraps the data keys of a workspace's people, while everything runs.

A new version is brought in; once every process can open what is under it, it takes over; every data key is wrapped
anew; and when none is left under the old version, that one is retired, to be destroyed once no backup needs it.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from domain.errors import Refused
from domain.rotation import KeyUse
from gateway.rotation.job import BATCH, Job, Patience, in_lanes
from privacy.keys import WorkspaceKeys
from privacy.sealing import Unreadable
from privacy.wrapping import epoch_header
from stores.faults import Contended, transaction
from stores.rewrap import WrappedKey, count_wrapped_otherwise, save_wrapped, take_wrapped_otherwise
from stores.workspace_keys import changing_keys, destroy_versions

LONGEST_CACHED: Final = timedelta(minutes=2)
"""For how long at most a cached subject still carries its data key as it was wrapped before."""

_WHAT: Final = "wrapping data keys anew"
_NONE: Final = UUID(int=0)


async def rotate_wrap(job: Job, workspaces: Sequence[UUID]) -> None:
    """Rotate the wrapping keys of some workspaces, or end the rotations that are under way.

    Raises `StoreUnavailable`, and `Refused` where a data key does not open; run again, it goes on from there.
    """
    targets = {workspace: await job.bring_in(workspace, KeyUse.WRAP) for workspace in workspaces}
    await job.settled(targets, KeyUse.WRAP)
    for workspace, version in targets.items():
        await job.put_in_force(workspace, KeyUse.WRAP)
        await _rewrap_all(job, await job.keys(workspace))
        await job.retire(workspace, KeyUse.WRAP, version - 1)


async def destroy_retired(job: Job, workspaces: Sequence[UUID], horizon: timedelta) -> dict[UUID, list[int]]:
    """Destroy the wrapping keys that were retired longer ago than the oldest backup; list them by workspace."""
    now = job.clock()
    destroyed: dict[UUID, list[int]] = {}
    for workspace in workspaces:
        async with job.database.across() as connection, changing_keys(connection, workspace):
            before = now - max(horizon, LONGEST_CACHED)
            destroyed[workspace] = await destroy_versions(connection, workspace, KeyUse.WRAP, before, now)
    return destroyed


async def _rewrap_all(job: Job, keys: WorkspaceKeys) -> None:
    """Wrap every data key in the active epoch; return when not one is left that is not."""
    patience, header = Patience(), epoch_header(keys.epoch)
    total: int | None = None
    while True:
        async with job.database.across() as connection:
            left = await count_wrapped_otherwise(connection, keys.workspace, header)
        total = left if total is None else total
        job.report(_WHAT, max(0, total - left), total)
        if left == 0:
            return
        if await _Pass(job, keys, total - left, total).run() == 0:
            await patience.wait(left)


class _Pass:
    """One walk over the subjects of a workspace, in lanes that take turns at reading."""

    def __init__(self, job: Job, keys: WorkspaceKeys, done: int, total: int) -> None:
        self._job = job
        self._keys = keys
        self._header = epoch_header(keys.epoch)
        self._after: UUID | None = _NONE
        self._reading = asyncio.Lock()
        self._before = self._done = done
        self._total = total

    async def run(self) -> int:
        """Walk to the end and return how many keys were wrapped anew."""
        await in_lanes(self._lane)
        return self._done - self._before

    async def _lane(self) -> None:
        while self._after is not None:
            try:
                await self._step()
            except Contended:
                continue  # the next pass comes by again

    async def _step(self) -> None:
        async with self._job.database.across() as connection, transaction(connection):
            async with self._reading:
                if self._after is None:
                    return
                taken = await take_wrapped_otherwise(connection, self._keys.workspace, self._header, self._after, BATCH)
                self._after = taken[-1].subject_id if taken else None
            if not taken:
                return
            await save_wrapped(connection, self._keys.workspace, [self._rewrapped(key) for key in taken])
        self._done += len(taken)
        self._job.report(_WHAT, min(self._done, self._total), self._total)

    def _rewrapped(self, key: WrappedKey) -> WrappedKey:
        try:
            return WrappedKey(key.subject_id, self._keys.rewrap(key.wrapped))
        except Unreadable as error:
            raise Refused(f"the data key of subject {key.subject_id} does not open: {error}") from error
