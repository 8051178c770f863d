"""What a fresh gateway loads before anyone asks, so that its first visitors do not wait for it."""

import asyncio
from collections.abc import Sequence
from typing import Final, Self
from uuid import UUID

import structlog

from domain.errors import StoreUnavailable
from gateway.database import open_database
from gateway.settings import Settings
from learning.recommender import Recommender
from stores.models import newest_live

_MOST: Final = 20
"""Workspaces whose models are loaded ahead: those with the newest, as who is visited is trained again."""

_LONGEST: Final = 60.0
"""Seconds after which the gateway is ready with what it has."""

_log = structlog.get_logger(__name__)


class Warming:
    """Loads the live models of workspaces beside all else. Until it is `over` the process is not ready."""

    def __init__(self, recommender: Recommender, workspaces: Sequence[UUID]) -> None:
        self._recommender = recommender
        self._workspaces = workspaces
        self.over = not workspaces

    @classmethod
    async def of(cls, settings: Settings, recommender: Recommender) -> Self:
        """Find out which workspaces have a live model. A login that may not see all of them warms none."""
        try:
            async with open_database(settings, connections=1) as database, database.across() as connection:
                return cls(recommender, await newest_live(connection, _MOST))
        except StoreUnavailable as problem:
            _log.warning("models_not_loaded_ahead", problem=str(problem))
            return cls(recommender, ())

    async def run(self) -> None:
        """Load them, one after another. What cannot be loaded now is loaded for the first who asks."""
        try:
            async with asyncio.timeout(_LONGEST):
                for workspace in self._workspaces:
                    await self._recommender.warm(workspace)
        except (StoreUnavailable, TimeoutError) as problem:
            _log.warning("models_not_loaded_ahead", problem=str(problem) or type(problem).__name__)
        finally:
            self.over = True
