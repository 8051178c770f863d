"""The settings of sites, remembered for a few seconds: every first visit of a browser asks for them."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from uuid import UUID

from domain.key import ApiKey
from domain.site import SiteSettings
from stores.postgres import Database
from stores.sites import read_site

_FRESH_SECONDS: Final = 5.0
_REMEMBERED: Final = 1_000


class Sites:
    """Finds the settings of the site of a write key. A change is seen within five seconds."""

    def __init__(self, database: Database, ticks: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._ticks = ticks
        self._sites: OrderedDict[UUID, tuple[float, SiteSettings]] = OrderedDict()

    async def of(self, key: ApiKey) -> SiteSettings:
        """Return the settings of this key's site. Raises `StoreUnavailable`."""
        read_at, settings = self._sites.get(key.id, (-_FRESH_SECONDS, SiteSettings()))
        if self._ticks() - read_at < _FRESH_SECONDS:
            return settings
        now = self._ticks()
        async with self._database.workspace(key.workspace) as connection:
            settings = await read_site(connection, key.workspace, key.id)
        self._sites[key.id] = (now, settings)
        self._sites.move_to_end(key.id)
        if len(self._sites) > _REMEMBERED:
            self._sites.popitem(last=False)
        return settings
