"""Rotating the key of a workspace's blind indexes, while everything runs, without knowing one identifier.

A new version is brought in: from then on whoever writes an identifier writes it under both, and whoever looks one up
looks under both. Meanwhile every stored index is lifted to the new version, also those of people who were erased. When
not one is missing, the new version alone is in force, and the rows of the old one are removed.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from domain.alias import AliasKind
from domain.rotation import KeyUse
from gateway.rotation.job import BATCH, Job, Patience, in_lanes
from privacy.keys import WorkspaceKeys
from stores.faults import Contended, transaction
from stores.likeness import count_likeness, delete_likeness
from stores.postgres import Connection
from stores.reindex import (
    IndexTable,
    carry_claims,
    clear_claims,
    copy_indexes,
    count_indexes,
    count_missing,
    delete_indexes,
    take_indexes,
)


async def rotate_index(job: Job, workspaces: Sequence[UUID]) -> None:
    """Rotate the index keys of some workspaces, or end the rotations that are under way.

    Raises `StoreUnavailable`; run again, it goes on from there.
    """
    targets = {workspace: await job.bring_in(workspace, KeyUse.INDEX) for workspace in workspaces}
    for workspace in targets:
        await _copy_all(job, await job.keys(workspace))
    await job.settled(targets, KeyUse.INDEX)
    for workspace in targets:
        while not await _put_in_force(job, await job.keys(workspace)):
            await _copy_all(job, await job.keys(workspace))
    await job.settled(targets, KeyUse.INDEX)
    for workspace, version in targets.items():
        await _clear(job, await job.keys(workspace), version - 1)
        await job.retire(workspace, KeyUse.INDEX, version - 1)


async def _copy_all(job: Job, keys: WorkspaceKeys) -> None:
    """Copy every row to the version that is coming, if one is; return when not one is missing."""
    version = keys.next_index_version
    if version is None:
        return
    patience = Patience()
    for table in IndexTable:
        while True:
            async with job.database.across() as connection:
                total = await count_indexes(connection, keys.workspace, table, version - 1)
                missing = await count_missing(connection, keys.workspace, table, version)
            job.report(f"copying {table}", total - max(0, missing), total)
            if missing <= 0:
                break
            walk = _Pass(job, keys, table, version - 1, total)
            await walk.run()
            if walk.copied == 0:
                await patience.wait(missing)


async def _put_in_force(job: Job, keys: WorkspaceKeys) -> bool:
    """Let the version that is coming take over, unless somebody was erased meanwhile who is not copied yet."""
    version = keys.next_index_version
    if version is None:
        return True

    async def ready(connection: Connection) -> bool:
        return await count_missing(connection, keys.workspace, IndexTable.SUPPRESSION, version) <= 0

    return await job.put_in_force(keys.workspace, KeyUse.INDEX, ready)


async def _clear(job: Job, keys: WorkspaceKeys, version: int) -> None:
    """Remove the rows of a version that is no longer in force; return when not one is left."""
    patience = Patience()
    for table in IndexTable:
        while True:
            async with job.database.across() as connection:
                left = await count_indexes(connection, keys.workspace, table, version)
            if left == 0:
                break
            walk = _Pass(job, keys, table, version, left, delete=True)
            await walk.run()
            if walk.done == 0:
                await patience.wait(left)
    await _clear_likeness(job, keys.workspace, version)
    async with job.database.across() as connection:
        await clear_claims(connection, keys.workspace, version)


async def _clear_likeness(job: Job, workspace: UUID, version: int) -> None:
    """Remove filters under a key that is no longer in force: a person's next statement makes them anew."""
    patience, done = Patience(), 0
    while True:
        async with job.database.across() as connection:
            gone = await delete_likeness(connection, workspace, version, BATCH)
            left = await count_likeness(connection, workspace, version)
        done += gone
        if done or left:
            job.report("removing old filters of likeness", done, done + left)
        if left == 0:
            return
        if gone == 0:
            await patience.wait(left)


class _Pass:
    """One walk over the rows of one version, kind by kind, in lanes that take turns at reading.

    Suppressions that are deleted are copied first if they were not: nobody's mistake brings an erased person back.
    """

    def __init__(
        self, job: Job, keys: WorkspaceKeys, table: IndexTable, version: int, total: int, *, delete: bool = False
    ) -> None:
        self._job = job
        self._keys = keys
        self._table = table
        self._version = version
        self._total = total
        self._delete = delete
        self._kinds = list(AliasKind)
        self._after = b""
        self._reading = asyncio.Lock()
        self.copied = 0
        self.done = 0

    async def run(self) -> None:
        """Walk to the end."""
        await in_lanes(self._lane)

    async def _lane(self) -> None:
        while self._kinds:
            try:
                await self._step()
            except Contended:
                continue  # the next pass comes by again

    async def _step(self) -> None:
        connection_of, workspace = self._job.database.across, self._keys.workspace
        async with connection_of() as connection, transaction(connection):
            async with self._reading:
                if not self._kinds:
                    return
                kind = self._kinds[0]
                taken = await take_indexes(connection, workspace, self._table, kind, self._version, self._after, BATCH)
                self._after = taken[-1].index if taken else b""
                if not taken:
                    self._kinds.remove(kind)
                    return
            copied = 0
            lifted = [(alias, self._keys.coming(alias) or self._keys.lift(alias)) for alias in taken]
            if self._table is IndexTable.ALIAS:
                await carry_claims(connection, workspace, lifted)
            if not self._delete or self._table is IndexTable.SUPPRESSION:
                copied = await copy_indexes(connection, workspace, self._table, lifted)
            if self._delete:
                await delete_indexes(connection, workspace, self._table, taken)
        self.copied += copied
        self.done += len(taken)
        what = f"removing the old rows of {self._table}" if self._delete else f"copying {self._table}"
        self._job.report(what, min(self.done, self._total), self._total)
