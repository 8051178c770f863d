"""People as the web process looks them up: Redis first, Postgres for what it does not know or when it is gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog
import uuid_utils.compat

from domain.alias import Alias, Subject
from domain.clock import Clock
from domain.consent import Purpose
from domain.errors import StoreUnavailable
from gateway.gathering import Gathering
from gateway.metrics import Metrics
from gateway.workspace import Workspace, Workspaces
from privacy.keys import WorkspaceKeys
from privacy.ledger.record import Word
from stores.consents import Statement, consent_times, store_consents
from stores.faults import Contended, Unfit, transaction
from stores.ledger.records import Claim, record_claims
from stores.postgres import Connection, Database
from stores.subject_cache import SubjectCache
from stores.subjects import NOBODY, Newcomer, Standing, enrol_subjects, find_subjects, profile_aliases
from stores.workspace_keys import StaleKeys

_CACHE_WITHIN: Final = 0.5
_CACHE_AVOIDED_FOR: Final = 1.0
_ATTEMPTS: Final = 5

_log = structlog.get_logger()
_Answer = TypeVar("_Answer")


class Subjects:
    """Finds and enrols subjects, and keeps what they say about consent. Raises `StoreUnavailable` for Postgres only."""

    def __init__(
        self, database: Database, workspaces: Workspaces, cache: SubjectCache, clock: Clock, metrics: Metrics
    ) -> None:
        self._database = database
        self._workspaces = workspaces
        self._cache = cache
        self._clock = clock
        self._metrics = metrics
        self._avoid_cache_until = 0.0
        self._cached = Gathering(self._read_cached)
        self._stored = Gathering(self._read_stored)

    async def find(self, workspace: UUID, aliases: Collection[Alias]) -> Standing:
        """Find what is stored about some aliases: one round trip to Redis, and one to Postgres for the rest.

        Batches that come at the same time share both.
        """
        if not aliases:
            return NOBODY
        cached = await self._cached.ask(workspace, aliases)
        missing = [alias for alias in aliases if not _is_known(alias, cached)]
        stored = await self._stored.ask(workspace, missing) if missing else NOBODY
        subjects: dict[Alias, Subject] = {}
        for alias in aliases:
            subject = cached.subjects.get(alias) or stored.subjects.get(alias)
            if subject is not None:
                subjects[alias] = subject
        suppressed = (cached.suppressed | stored.suppressed).intersection(aliases)
        return Standing(subjects, suppressed)

    async def _read_cached(self, workspace: UUID, aliases: Collection[Alias]) -> Standing:
        return await self._ask_cache(self._cache.read(workspace, list(aliases))) or NOBODY

    async def _read_stored(self, workspace: UUID, aliases: Collection[Alias]) -> Standing:
        async with self._database.workspace(workspace) as connection:
            found = await find_subjects(connection, workspace, aliases)
        await self._ask_cache(self._cache.fill(workspace, found))
        return found

    async def look_up(self, workspace: Workspace, aliases: Collection[Alias]) -> Standing:
        """Find what is stored about the people behind some aliases, wherever a rotation of the index has come."""
        keys = workspace.keys
        current = {alias: keys.lift(alias) for alias in aliases}
        found = await self.find(workspace.id, list(current.values()))
        unknown = [alias for alias in current.values() if not _is_known(alias, found)]
        coming = {alias: other for alias in unknown if (other := keys.coming(alias)) is not None}
        if coming:
            more = await self.find(workspace.id, list(coming.values()))
            found = Standing({**found.subjects, **more.subjects}, found.suppressed | more.suppressed)
        return _renamed(found, {asked: (alias, coming.get(alias, alias)) for asked, alias in current.items()})

    async def enrol(self, workspace: Workspace, aliases: Iterable[Alias]) -> dict[Alias, Subject]:
        """Make a subject for each of these unknown aliases, unless another gateway was first: then take its."""
        asked = list(aliases)
        if not asked:
            return {}
        for _ in range(_ATTEMPTS):
            try:
                return await self._enrol(workspace.id, workspace.keys, asked)
            except StaleKeys as stale:
                # The keys are one object per workspace and process: these are what the next attempt uses.
                await self._workspaces.keys(workspace.id, stale.stamp)
        raise StoreUnavailable("the keys of the workspace keep changing")

    async def _enrol(self, workspace: UUID, keys: WorkspaceKeys, asked: Collection[Alias]) -> dict[Alias, Subject]:
        stamp, current = keys.stamp, {alias: keys.lift(alias) for alias in asked}
        newcomers = [
            Newcomer(alias, uuid_utils.compat.uuid7(), keys.new_wrapped_key(), keys.coming(alias))
            for alias in current.values()
        ]
        async with self._database.workspace(workspace) as connection:
            found = await enrol_subjects(connection, workspace, newcomers, self._clock(), stamp=stamp)
        # Not cached yet: what their first events claim is recorded only now, and the next batch reads it with them.
        return {asked: found.subjects[alias] for asked, alias in current.items() if alias in found.subjects}

    async def consent_times(self, workspace: UUID, profiles: Collection[UUID]) -> dict[tuple[UUID, Purpose], datetime]:
        """Tell when the last word on each purpose was spoken, for each of some profiles."""
        if not profiles:
            return {}
        async with self._database.workspace(workspace) as connection:
            return await consent_times(connection, workspace, profiles)

    async def record(
        self, workspace: UUID, statements: Collection[Statement], profiles: Collection[UUID], *, plan: int = 0
    ) -> list[int]:
        """Store statements, then make every gateway forget what it knew of the profiles they concern.

        Returns the number of each statement's record in the ledger.
        """
        async with self._writing(workspace) as connection:
            seqs = await store_consents(connection, workspace, statements, plan=plan)
            aliases = await profile_aliases(connection, workspace, profiles)
        await self._ask_cache(self._cache.drop(workspace, aliases), always=True)
        return seqs

    async def record_claims(self, workspace: UUID, words: Collection[Word]) -> dict[Claim, int]:
        """Give the ledger's record of each claim, made now for those that are claimed for the first time.

        Other gateways may go on with what they have cached: they would find the same record.
        """
        if not words:
            return {}
        async with self._writing(workspace) as connection:
            return await record_claims(connection, workspace, words)

    @asynccontextmanager
    async def _writing(self, workspace: UUID) -> AsyncIterator[Connection]:
        try:
            async with self._database.workspace(workspace) as connection, transaction(connection):
                yield connection
        except (Contended, Unfit) as error:
            # A subject that was erased meanwhile, or a deadlock: the next try sees how things stand.
            raise StoreUnavailable from error

    async def _ask_cache(self, answer: Coroutine[Any, Any, _Answer], *, always: bool = False) -> _Answer | None:
        """Wait for Redis, shortly; after a failure leave it alone for a second, unless it must be tried."""
        if not always and time.monotonic() < self._avoid_cache_until:
            answer.close()
            return None
        try:
            async with asyncio.timeout(_CACHE_WITHIN):
                return await answer
        except (StoreUnavailable, TimeoutError):
            self._avoid_cache_until = time.monotonic() + _CACHE_AVOIDED_FOR
            self._metrics.cache_failures.inc()
            _log.warning("cache_unavailable")
            return None


def _is_known(alias: Alias, standing: Standing) -> bool:
    return alias in standing.subjects or alias in standing.suppressed


def _renamed(standing: Standing, names: Mapping[Alias, tuple[Alias, Alias]]) -> Standing:
    """Tell what stands under either of an alias's two names as of the alias that was asked for."""
    if all(asked == name == other for asked, (name, other) in names.items()):
        return standing
    subjects = {
        asked: standing.subjects.get(name) or standing.subjects[other]
        for asked, (name, other) in names.items()
        if name in standing.subjects or other in standing.subjects
    }
    suppressed = {asked for asked, pair in names.items() if not standing.suppressed.isdisjoint(pair)}
    return Standing(subjects, frozenset(suppressed))
