"""Applying a declared trait to everybody's history, while events keep coming.

As with segments, profiles are taken in the order of their ids, and each switches once, in the transaction that works
its traits out anew.
"""

from uuid import UUID

from domain.trait import TraitStatus
from profiles.chores import finish, keep_at
from profiles.work import Work
from profiles.workshop import Workshop
from stores.changes import call_publisher
from stores.faults import transaction
from stores.postgres import Connection
from stores.profiles import profiles_after
from stores.segments import hold_definitions, raise_version
from stores.traits import lock_building_trait, pending_traits, save_trait_progress


class Declaring:
    """Applies declarations. Any number may run: each step of a trait is one worker's.

    `at_once` profiles are worked out per transaction; live events of the workspace wait for one such step at most.
    """

    def __init__(self, workshop: Workshop, *, at_once: int = 50) -> None:
        self._workshop = workshop
        self._at_once = at_once

    async def run(self) -> None:
        """Apply traits as they are declared, until cancelled."""
        await keep_at("declaring", self.finish_all)

    async def finish_all(self) -> None:
        """Work until no trait waits but those that another worker has. Raises `StoreUnavailable`, `Contended`."""
        async with self._workshop.database.across() as connection:
            pending = await pending_traits(connection)
        await finish(pending, self.step)

    async def step(self, workspace: UUID, name: str) -> bool:
        """Take one trait one transaction further, and tell whether there is more to do on it."""
        async with self._workshop.database.across() as connection:
            async with transaction(connection):
                await hold_definitions(connection, workspace)
                more, changes = await self._advance(connection, workspace, name)
            if changes:
                await call_publisher(connection)
        self._workshop.metrics.changes.inc(changes)
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
        definitions = await self._workshop.catalogue.read(connection, workspace)
        if definitions is None:
            return False, 0
        profiles = await self._workshop.memory.lock(connection, workspace, ids)
        work = Work(connection, workspace, definitions, profiles, self._workshop.clock())
        for profile in profiles.values():
            if profile.merged_into is None:
                work.retell(profile.id, {"trait": name})
        await work.settle()
        return True, len(work.changes)
