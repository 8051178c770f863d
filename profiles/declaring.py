"""Applying a declared trait to everybody's history, while events keep coming.

As with segments, profiles are taken in the order of their ids, and each switches once, in the transaction that works
its traits out anew.
"""

import asyncio
from typing import Final
from uuid import UUID

import structlog

from domain.clock import Clock
from domain.errors import StoreUnavailable
from domain.trait import TraitStatus
from profiles.catalogue import Catalogue
from profiles.memory import Memory
from profiles.metrics import BuildMetrics
from profiles.work import Work
from stores.changes import call_publisher
from stores.faults import Contended, Unfit, transaction
from stores.postgres import Connection, Database
from stores.profiles import profiles_after
from stores.segments import hold_definitions, raise_version
from stores.traits import lock_building_trait, pending_traits, save_trait_progress

_LOG = structlog.get_logger(__name__)
_LOOK_EVERY: Final = 0.5


class Declaring:
    """Applies declarations. Any number may run: each step of a trait is one worker's.

    `at_once` profiles are worked out per transaction; live events of the workspace wait for one such step at most.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: BuildMetrics,
        *,
        catalogue: Catalogue | None = None,
        memory: Memory | None = None,
        at_once: int = 50,
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._catalogue = catalogue or Catalogue()
        self._memory = memory or Memory()
        self._at_once = at_once

    async def run(self) -> None:
        """Apply traits as they are declared, until cancelled."""
        while True:
            try:
                await self.finish_all()
            except (Contended, StoreUnavailable, Unfit) as error:
                _LOG.warning("declaring_waits", problem=str(error))
            await asyncio.sleep(_LOOK_EVERY)

    async def finish_all(self) -> None:
        """Work until no trait waits but those that another worker has. Raises `StoreUnavailable`, `Contended`."""
        async with self._database.across() as connection:
            pending = await pending_traits(connection)
        for workspace, name in pending:
            while await self.step(workspace, name):  # noqa: ASYNC110 - not a wait for anything
                await asyncio.sleep(0)

    async def step(self, workspace: UUID, name: str) -> bool:
        """Take one trait one transaction further, and tell whether there is more to do on it."""
        async with self._database.across() as connection:
            async with transaction(connection):
                await hold_definitions(connection, workspace)
                more, changes = await self._advance(connection, workspace, name)
            if changes:
                await call_publisher(connection)
        self._metrics.changes.inc(changes)
        return more

    async def _advance(self, connection: Connection, workspace: UUID, name: str) -> tuple[bool, int]:
        trait = await lock_building_trait(connection, workspace, name)
        if trait is None:
            return False, 0
        ids = await profiles_after(connection, workspace, trait.built_through, self._at_once)
        status = TraitStatus.BUILDING if ids else TraitStatus.LIVE
        through = ids[-1] if ids else trait.built_through
        await save_trait_progress(connection, workspace, trait, through=through, status=status)
        if not ids:
            await raise_version(connection, workspace)
            return False, 0
        definitions = await self._catalogue.read(connection, workspace)
        if definitions is None:
            return False, 0
        profiles = await self._memory.lock(connection, workspace, ids)
        work = Work(connection, workspace, definitions, profiles, self._clock())
        for profile in profiles.values():
            if profile.merged_into is None:
                work.retell(profile.id, {"trait": name})
        await work.settle()
        return True, len(work.changes)
