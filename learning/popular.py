"""What everyone wants lately: the list that needs no knowledge of the person, and the floor every model must beat."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec

from domain.clock import Clock
from stores.popularity import popular_items
from stores.postgres import Database

HORIZON: Final = timedelta(days=7)
FRESHNESS: Final = timedelta(seconds=30)
LONGEST: Final = 100


class Item(msgspec.Struct, frozen=True):
    """One recommended item. `score` orders a list and means nothing between lists."""

    product_id: str
    score: float
    reason: str


class Popular:
    """The popular items of each workspace over the last seven days, made anew when they are `FRESHNESS` old."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lists: dict[UUID, tuple[float, tuple[Item, ...]]] = {}
        self._locks: dict[UUID, asyncio.Lock] = {}

    async def top(self, workspace: UUID, first: int) -> tuple[Item, ...]:
        """List the `first` (at most 100) most wanted items, best first. Raises `StoreUnavailable`."""
        if not self._is_fresh(workspace):
            # One caller makes the list. The others take the old one meanwhile, or wait when there is none.
            making = self._locks.setdefault(workspace, asyncio.Lock())
            if not (making.locked() and workspace in self._lists):
                async with making:
                    if not self._is_fresh(workspace):
                        await self._make(workspace)
        return self._lists[workspace][1][:first]

    def _is_fresh(self, workspace: UUID) -> bool:
        kept = self._lists.get(workspace)
        return kept is not None and self._clock().timestamp() - kept[0] <= FRESHNESS.total_seconds()

    async def _make(self, workspace: UUID) -> None:
        now = self._clock()
        rows = await popular_items(self._database, workspace, now - HORIZON, LONGEST)
        items = tuple(Item(product_id=item, score=score, reason="popular") for item, score in rows)
        self._lists[workspace] = (now.timestamp(), items)
