"""The workspaces that this process serves: their keys unwrapped, their tracking plans compiled, their settings."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID
from weakref import WeakValueDictionary

import msgspec
import structlog

from domain.errors import Refused, StoreUnavailable
from domain.identity import IdentityRules
from domain.rotation import KeyState
from domain.workspace import WorkspaceSettings
from privacy.compiled import CompiledPlan
from privacy.keys import KeyProvider, OpenedKey, WorkspaceKeys
from privacy.plan import read_plan
from privacy.policy import Policy
from privacy.sealing import Unreadable
from privacy.signals.mapping import Meaning, parse
from stores.plans import read_plan as read_plan_document
from stores.postgres import Database
from stores.workspace_keys import StoredKey, read_versions
from stores.workspaces import WorkspaceRow, read_workspace

_FRESH_SECONDS: Final = 5.0
_STRANGERS_REMEMBERED: Final = 1_000
"""Ids of no workspace: anyone may make them up, and each would cost a question to Postgres."""

_log = structlog.get_logger()


class Workspace(msgspec.Struct, frozen=True):
    """What serving one workspace needs."""

    id: UUID
    keys: WorkspaceKeys
    plan: CompiledPlan
    plan_version: int
    settings: dict[str, Any]
    meaning: Meaning
    """What the site takes the signals of consent to mean."""
    rules: IdentityRules = IdentityRules()
    """Who is who."""


class Workspaces:
    """Hands out workspaces, and looks for a newer plan, other settings and newer keys at most every five seconds."""

    def __init__(self, database: Database, provider: KeyProvider) -> None:
        self._database = database
        self._provider = provider
        self._known: dict[UUID, tuple[float, Workspace]] = {}
        self._strangers: OrderedDict[UUID, float] = OrderedDict()
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def get(self, workspace: UUID) -> Workspace:
        """Return a workspace as it was at most five seconds ago. Raises `Refused` (`not_found`), `StoreUnavailable`."""
        known = self.fresh(workspace)
        if known is not None:
            return known
        async with self._lock(workspace):
            return self.fresh(workspace) or await self._load(workspace)

    def fresh(self, workspace: UUID) -> Workspace | None:
        """Return a workspace that was read within five seconds, where that needs no waiting."""
        loaded_at, known = self._known.get(workspace, (0.0, None))
        return known if known is not None and time.monotonic() - loaded_at < _FRESH_SECONDS else None

    def known(self, workspace: UUID) -> Workspace | None:
        """Return a workspace as it was last read, however long ago, for when nothing can be read."""
        return self._known.get(workspace, (0.0, None))[1]

    async def keys(self, workspace: UUID, stamp: int = 0) -> WorkspaceKeys:
        """Return the keys of a workspace, with every change up to `stamp`. Raises like `get`."""
        known = await self.get(workspace)
        if known.keys.stamp < stamp:
            async with self._lock(workspace):
                if known.keys.stamp < stamp:
                    known = await self._load(workspace)
        return known.keys

    async def policy(self, workspace: UUID) -> Policy:
        """Return what decides on who may see what of a workspace. Raises as `get`."""
        known = await self.get(workspace)
        return Policy(known.plan.plan, msgspec.convert(known.settings, WorkspaceSettings))

    async def rules(self, workspace: UUID, stamp: int = 0) -> tuple[WorkspaceKeys, CompiledPlan]:
        """Return a workspace's keys, with every change up to `stamp`, and its plan. Raises like `get`."""
        return await self.keys(workspace, stamp), (await self.get(workspace)).plan

    def _lock(self, workspace: UUID) -> asyncio.Lock:
        """Give the one lock of a workspace, which goes with the last who waits for it."""
        return self._locks.setdefault(workspace, asyncio.Lock())

    def _meet(self, stranger: UUID, at: float) -> None:
        self._strangers[stranger] = at
        self._strangers.move_to_end(stranger)
        if len(self._strangers) > _STRANGERS_REMEMBERED:
            self._strangers.popitem(last=False)

    async def _load(self, workspace: UUID) -> Workspace:
        loaded_at = time.monotonic()
        if loaded_at - self._strangers.get(workspace, float("-inf")) < _FRESH_SECONDS:
            raise Refused(code="not_found")
        _, known = self._known.get(workspace, (0.0, None))
        async with self._database.workspace(workspace) as connection:
            row = await read_workspace(connection, workspace)
            if row is None:
                self._meet(workspace, loaded_at)
                raise Refused(code="not_found")
            versions = document = None
            if known is None or known.keys.stamp != row.key_stamp:
                versions = await read_versions(connection, workspace)
            if known is None or known.plan_version != row.plan_version:
                document = await read_plan_document(connection, workspace, row.plan_version)
        keys = known.keys if known else None
        if keys is None or versions is not None:
            keys = await self._open(row, versions or [], keys)
        plan = known.plan if known and document is None else CompiledPlan(read_plan(document))
        meaning = known.meaning if known and known.settings == row.settings else _meaning(row.settings)
        rules = msgspec.convert(row.settings, WorkspaceSettings).identity
        known = Workspace(workspace, keys, plan, row.plan_version, row.settings, meaning, rules)
        self._known[workspace] = (loaded_at, known)
        return known

    async def _open(
        self, row: WorkspaceRow, versions: Sequence[StoredKey], keys: WorkspaceKeys | None
    ) -> WorkspaceKeys:
        """Unwrap what is new. The object stays the same, so that whoever holds it follows a rotation."""
        known = keys.opened if keys else {}
        if keys is None:
            keys = WorkspaceKeys(row.id, await self._unwrap(row.wrapped_key))
        opened: list[OpenedKey] = []
        for each in versions:
            key = known.get((each.use, each.version))
            if key is None and each.wrapped_key is not None:
                key = await self._unwrap(each.wrapped_key)
            elif key is None and each.state is not KeyState.DESTROYED:
                key = keys.own
            if key is not None and each.state is not KeyState.DESTROYED:
                opened.append(OpenedKey(each.use, each.version, each.state, key))
        keys.adopt(opened, row.key_stamp)
        return keys

    async def _unwrap(self, wrapped: bytes) -> bytes:
        """Open a workspace's key. One that was wrapped by a master key we do not have yet may open after a restart."""
        try:
            return await self._provider.unwrap(wrapped)
        except Unreadable as error:
            _log.error("master_key_does_not_open")
            raise StoreUnavailable("The master key of this process does not open the workspace's keys.") from error


def _meaning(settings: dict[str, Any]) -> Meaning:
    return Meaning(parse(msgspec.convert(settings, WorkspaceSettings).consent))
