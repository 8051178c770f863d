"""What is done between trainings: items are learned from events, and it is seen whether it is time to train again."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from domain.clock import Clock
from learning.weights import WEIGHTS
from stores.interactions import count_interactions
from stores.items import gather_items
from stores.postgres import Database
from stores.recommender import read_trainer_state, save_gathered

HORIZON: Final = timedelta(days=730)
"""Older events are not learned from."""

NAMES: Final = tuple(WEIGHTS)

_OVERLAP: Final = timedelta(minutes=1)


class Gleaner:
    """Looks after workspaces. `database` is of the worker role. All methods raise `StoreUnavailable`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def gather(self, workspace: UUID) -> int:
        """Learn items from the events received since the last time; return how many are new or changed."""
        now = self._clock()
        async with self._database.across() as connection, connection.transaction():
            state = await read_trainer_state(connection, workspace)
            since = (state.gathered_through or now - HORIZON) - _OVERLAP
            found = await gather_items(connection, workspace, NAMES, since, now)
            await save_gathered(connection, workspace, now)
        return found

    async def is_due(self, workspace: UUID, every: timedelta, after_events: int) -> bool:
        """Tell whether it is time: `every` so often, or after so many events, and only if there are any."""
        async with self._database.across() as connection:
            state = await read_trainer_state(connection, workspace)
            trained_at = state.trained_at or self._clock() - HORIZON
            enough = 1 if self._clock() - trained_at >= every else after_events
            return await count_interactions(connection, workspace, NAMES, trained_at, enough) >= enough
