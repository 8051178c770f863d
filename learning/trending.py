"""What everyone wants lately: the list that needs no knowledge of the person, and the floor every model must beat."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from domain.clock import Clock
from domain.errors import StoreUnavailable
from learning.weights import WEIGHTS
from stores.postgres import Database
from stores.trending import trending_items

HORIZON: Final = timedelta(days=7)
HALF_LIFE: Final = timedelta(days=2)
FRESHNESS: Final = timedelta(seconds=30)
STALE: Final = timedelta(seconds=60)
"""Nobody gets an older list: rather they wait for the next."""
EMPTY_FRESHNESS: Final = timedelta(seconds=1)
"""A new shop does not wait for its first list, and looking for one there costs nothing."""
LONGEST: Final = 1_000
"""Filters choose among so many."""

_log = structlog.get_logger(__name__)

Scored = tuple[tuple[str, float], ...]
"""Item ids with their scores, the best first; a score orders a list and means nothing between lists."""


class Trending:
    """The trending items of each workspace over the last seven days, made anew when they are `FRESHNESS` old.

    That happens beside the requests, which get the list there is as long as it is younger than `STALE`. A list without
    items is looked at again after `EMPTY_FRESHNESS`.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lists: dict[UUID, tuple[float, Scored]] = {}
        self._locks: dict[UUID, asyncio.Lock] = {}
        self._making: dict[UUID, asyncio.Task[None]] = {}

    async def items(self, workspace: UUID) -> Scored:
        """List the most wanted items, best first. Raises `StoreUnavailable`."""
        if self._is_older(workspace, FRESHNESS):
            if self._is_older(workspace, STALE):
                async with self._locks.setdefault(workspace, asyncio.Lock()):
                    if self._is_older(workspace, STALE):
                        await self._make(workspace)
            elif workspace not in self._making:
                self._making[workspace] = asyncio.create_task(self._make_beside(workspace), name="trending")
        return self._lists[workspace][1]

    async def close(self) -> None:
        """End what is under way."""
        for making in list(self._making.values()):
            making.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)

    def _is_older(self, workspace: UUID, age: timedelta) -> bool:
        kept = self._lists.get(workspace)
        if kept is None:
            return True
        made_at, items = kept
        return self._clock().timestamp() - made_at > (age if items else EMPTY_FRESHNESS).total_seconds()

    async def _make_beside(self, workspace: UUID) -> None:
        try:
            await self._make(workspace)
        except StoreUnavailable as problem:
            _log.warning("trending_not_made", problem=str(problem))
        finally:
            del self._making[workspace]

    async def _make(self, workspace: UUID) -> None:
        now = self._clock()
        rows = await trending_items(
            self._database, workspace, WEIGHTS, now=now, horizon=HORIZON, half_life=HALF_LIFE, limit=LONGEST
        )
        self._lists[workspace] = (now.timestamp(), tuple(rows))
