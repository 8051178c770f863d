"""What everyone wants lately: the list that needs no knowledge of the person, and the floor every model must beat."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

from domain.clock import Clock
from learning.weights import WEIGHTS
from stores.postgres import Database
from stores.trending import trending_items

HORIZON: Final = timedelta(days=7)
HALF_LIFE: Final = timedelta(days=2)
FRESHNESS: Final = timedelta(seconds=30)
EMPTY_FRESHNESS: Final = timedelta(seconds=1)
"""A new shop does not wait for its first list, and looking for one there costs nothing."""
LONGEST: Final = 1_000
"""Filters choose among so many."""

Scored = tuple[tuple[str, float], ...]
"""Item ids with their scores, the best first; a score orders a list and means nothing between lists."""


class Trending:
    """The trending items of each workspace over the last seven days, made anew when they are `FRESHNESS` old.

    A list without items is looked at again after `EMPTY_FRESHNESS`.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lists: dict[UUID, tuple[float, Scored]] = {}
        self._locks: dict[UUID, asyncio.Lock] = {}

    async def items(self, workspace: UUID) -> Scored:
        """List the most wanted items, best first. Raises `StoreUnavailable`."""
        if not self._is_fresh(workspace):
            # One caller makes the list. The others take the old one meanwhile, or wait when there is none.
            making = self._locks.setdefault(workspace, asyncio.Lock())
            if not (making.locked() and workspace in self._lists):
                async with making:
                    if not self._is_fresh(workspace):
                        await self._make(workspace)
        return self._lists[workspace][1]

    def _is_fresh(self, workspace: UUID) -> bool:
        kept = self._lists.get(workspace)
        if kept is None:
            return False
        made_at, items = kept
        return self._clock().timestamp() - made_at <= (FRESHNESS if items else EMPTY_FRESHNESS).total_seconds()

    async def _make(self, workspace: UUID) -> None:
        now = self._clock()
        rows = await trending_items(
            self._database, workspace, WEIGHTS, now=now, horizon=HORIZON, half_life=HALF_LIFE, limit=LONGEST
        )
        self._lists[workspace] = (now.timestamp(), tuple(rows))
