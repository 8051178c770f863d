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
    """The popular items of each workspace over the last seven days, at most `FRESHNESS` old."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lists: dict[UUID, tuple[float, tuple[Item, ...]]] = {}
        self._locks: dict[UUID, asyncio.Lock] = {}

    async def top(self, workspace: UUID, first: int) -> tuple[Item, ...]:
        """List the `first` (at most 100) most wanted items, best first. Raises `StoreUnavailable`."""
        items = self._fresh(workspace)
        if items is None:
            async with self._locks.setdefault(workspace, asyncio.Lock()):  # one makes the list, the others wait for it
                items = self._fresh(workspace)
                if items is None:
                    items = await self._make(workspace)
        return items[:first]

    def _fresh(self, workspace: UUID) -> tuple[Item, ...] | None:
        made_at, items = self._lists.get(workspace, (0.0, None))
        return items if self._clock().timestamp() - made_at <= FRESHNESS.total_seconds() else None

    async def _make(self, workspace: UUID) -> tuple[Item, ...]:
        now = self._clock()
        rows = await popular_items(self._database, workspace, now - HORIZON, LONGEST)
        items = tuple(Item(product_id=item, score=score, reason="popular") for item, score in rows)
        self._lists[workspace] = (now.timestamp(), items)
        return items
