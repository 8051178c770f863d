"""Writes down which lists were served, some at once and beside the requests."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Self
from uuid import UUID

import structlog

from domain.errors import StoreUnavailable
from stores.outage import STORE_FAULTS
from stores.postgres import Database
from stores.served import ServedList, add_served

_EVERY: Final = 0.25
_AT_ONCE: Final = 1_000
_MOST_WAITING: Final = 20_000

_log = structlog.get_logger(__name__)


class Exposures:
    """Holds served lists until they are written. While Postgres is away the newest are kept, up to a bound."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[ServedList] = deque(maxlen=_MOST_WAITING)

    def note(self, served: ServedList) -> None:
        """Take a list in; it is in the store a moment later."""
        self._waiting.append(served)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Write while the context is open, and what is left at its end."""
        task = asyncio.create_task(self._run(), name="exposures")
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            with suppress(StoreUnavailable):
                await self.flush()

    async def flush(self) -> None:
        """Write all that waits. Raises `StoreUnavailable`; what could not be written waits on."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            by_workspace: dict[UUID, list[ServedList]] = defaultdict(list)
            for served in batch:
                by_workspace[served.workspace].append(served)
            try:
                for workspace, lists in by_workspace.items():
                    async with self._database.workspace(workspace) as connection:
                        await add_served(connection, workspace, lists)
            except StoreUnavailable:
                self._waiting.extendleft(reversed(batch))  # those written already are told by their ids
                raise

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            try:
                await self.flush()
            except STORE_FAULTS as problem:
                _log.warning("exposures_wait", problem=type(problem).__name__)
