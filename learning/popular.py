"""What everyone wants lately: the list that needs no knowledge of the person, and the floor every model must beat."""

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

    async def top(self, workspace: UUID, first: int) -> tuple[Item, ...]:
        """List the `first` (at most 100) most wanted items, best first. Raises `StoreUnavailable`."""
        now = self._clock()
        kept = self._lists.get(workspace)
        if kept is None or now.timestamp() - kept[0] > FRESHNESS.total_seconds():
            rows = await popular_items(self._database, workspace, now - HORIZON, LONGEST)
            items = tuple(Item(product_id=item, score=score, reason="popular") for item, score in rows)
            kept = self._lists[workspace] = (now.timestamp(), items)
        return kept[1][:first]
