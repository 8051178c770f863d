"""The workspaces that this process serves: their keys unwrapped, their tracking plans compiled, their settings."""

import asyncio
import time
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.errors import Refused
from domain.workspace import WorkspaceSettings
from privacy.compiled import CompiledPlan
from privacy.keys import KeyProvider, WorkspaceKeys
from privacy.plan import read_plan
from privacy.signals.mapping import Meaning, parse
from resolvers.context import Policy
from stores.plans import read_plan as read_plan_document
from stores.postgres import Database
from stores.workspaces import read_workspace

_FRESH_SECONDS: Final = 5.0


class Workspace(msgspec.Struct, frozen=True):
    """What serving one workspace needs."""

    id: UUID
    keys: WorkspaceKeys
    plan: CompiledPlan
    plan_version: int
    settings: dict[str, Any]
    meaning: Meaning
    """What the site takes the signals of consent to mean."""


class Workspaces:
    """Hands out workspaces, and looks for a newer tracking plan or other settings at most every five seconds."""

    def __init__(self, database: Database, provider: KeyProvider) -> None:
        self._database = database
        self._provider = provider
        self._known: dict[UUID, tuple[float, Workspace]] = {}
        self._locks: dict[UUID, asyncio.Lock] = {}

    async def get(self, workspace: UUID) -> Workspace:
        """Return a workspace as it was at most five seconds ago. Raises `Refused` (`not_found`), `StoreUnavailable`."""
        known = self._fresh(workspace)
        if known is not None:
            return known
        async with self._locks.setdefault(workspace, asyncio.Lock()):
            return self._fresh(workspace) or await self._load(workspace)

    async def keys(self, workspace: UUID) -> WorkspaceKeys:
        """Return the keys of a workspace. Raises like `get`."""
        return (await self.get(workspace)).keys

    async def policy(self, workspace: UUID) -> Policy:
        """Return what decides on who may see what of a workspace. Raises as `get`."""
        known = await self.get(workspace)
        return Policy(known.plan.plan, msgspec.convert(known.settings, WorkspaceSettings))

    async def rules(self, workspace: UUID) -> tuple[WorkspaceKeys, CompiledPlan]:
        """Return a workspace's keys and plan. Raises like `get`."""
        found = await self.get(workspace)
        return found.keys, found.plan

    def _fresh(self, workspace: UUID) -> Workspace | None:
        loaded_at, known = self._known.get(workspace, (0.0, None))
        return known if known is not None and time.monotonic() - loaded_at < _FRESH_SECONDS else None

    async def _load(self, workspace: UUID) -> Workspace:
        async with self._database.workspace(workspace) as connection:
            row = await read_workspace(connection, workspace)
            if row is None:
                raise Refused(code="not_found")
            _, known = self._known.get(workspace, (0.0, None))
            if known is None or known.plan_version != row.plan_version:
                document = await read_plan_document(connection, workspace, row.plan_version)
                keys = known.keys if known else WorkspaceKeys(workspace, await self._provider.unwrap(row.wrapped_key))
                plan = CompiledPlan(read_plan(document))
                known = Workspace(workspace, keys, plan, row.plan_version, row.settings, _meaning(row.settings))
            elif known.settings != row.settings:
                known = msgspec.structs.replace(known, settings=row.settings, meaning=_meaning(row.settings))
        self._known[workspace] = (time.monotonic(), known)
        return known


def _meaning(settings: dict[str, Any]) -> Meaning:
    return Meaning(parse(msgspec.convert(settings, WorkspaceSettings).consent))
