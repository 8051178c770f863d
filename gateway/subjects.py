"""People as the web process looks them up: Redis first, Postgres for what it does not know or when it is gone."""

import asyncio
import time
from collections.abc import Collection, Coroutine, Iterable
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog
import uuid_utils.compat

from domain.alias import Alias, Subject
from domain.clock import Clock
from domain.consent import Purpose
from domain.errors import StoreUnavailable
from gateway.metrics import Metrics
from gateway.workspace import Workspace
from stores.consents import Statement, consent_times, store_consents
from stores.postgres import Database
from stores.subject_cache import SubjectCache
from stores.subjects import Newcomer, Standing, enrol_subjects, find_subjects, profile_aliases

_CACHE_WITHIN: Final = 0.5
_CACHE_AVOIDED_FOR: Final = 1.0

_log = structlog.get_logger()
_Answer = TypeVar("_Answer")


class Subjects:
    """Finds and enrols subjects, and keeps what they say about consent. Raises `StoreUnavailable` for Postgres only."""

    def __init__(self, database: Database, cache: SubjectCache, clock: Clock, metrics: Metrics) -> None:
        self._database = database
        self._cache = cache
        self._clock = clock
        self._metrics = metrics
        self._avoid_cache_until = 0.0

    async def find(self, workspace: UUID, aliases: Collection[Alias]) -> Standing:
        """Find what is stored about some aliases: one round trip to Redis, and one to Postgres for the rest."""
        if not aliases:
            return Standing({}, frozenset())
        cached = await self._ask_cache(self._cache.read(workspace, list(aliases))) or Standing({}, frozenset())
        missing = [alias for alias in aliases if alias not in cached.subjects and alias not in cached.suppressed]
        if not missing:
            return cached
        async with self._database.workspace(workspace) as connection:
            found = await find_subjects(connection, workspace, missing)
        await self._ask_cache(self._cache.fill(workspace, found))
        return Standing({**cached.subjects, **found.subjects}, cached.suppressed | found.suppressed)

    async def enrol(self, workspace: Workspace, aliases: Iterable[Alias]) -> dict[Alias, Subject]:
        """Make a subject for each of these unknown aliases, unless another gateway was first: then take its."""
        newcomers = [Newcomer(alias, uuid_utils.compat.uuid7(), workspace.keys.new_wrapped_key()) for alias in aliases]
        if not newcomers:
            return {}
        async with self._database.workspace(workspace.id) as connection:
            found = await enrol_subjects(connection, workspace.id, newcomers, self._clock())
        await self._ask_cache(self._cache.fill(workspace.id, found))
        return dict(found.subjects)

    async def consent_times(self, workspace: UUID, profiles: Collection[UUID]) -> dict[tuple[UUID, Purpose], datetime]:
        """Tell when the last word on each purpose was spoken, for each of some profiles."""
        if not profiles:
            return {}
        async with self._database.workspace(workspace) as connection:
            return await consent_times(connection, workspace, profiles)

    async def record(self, workspace: UUID, statements: Collection[Statement], profiles: Collection[UUID]) -> None:
        """Store statements, then make every gateway forget what it knew of the profiles they concern."""
        async with self._database.workspace(workspace) as connection:
            await store_consents(connection, workspace, statements)
            aliases = await profile_aliases(connection, workspace, profiles)
        await self._ask_cache(self._cache.drop(workspace, aliases), always=True)

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
