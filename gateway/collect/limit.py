"""How fast each key may send events."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from typing import Final
from uuid import UUID

import structlog

from domain.errors import StoreUnavailable
from domain.pace import Pace, Quota, TooManyEvents
from gateway.metrics import Metrics
from stores.paces import Drawn, Paces

_DRAWN_SECONDS: Final = 0.05
"""What is drawn at once, as seconds at the key's pace: most requests then cost no round trip."""

_MOST_KEYS: Final = 10_000
_REDIS_WITHIN: Final = 0.2
_REDIS_AVOIDED_FOR: Final = 2.0
_TOLD_EVERY: Final = 60.0

_log = structlog.get_logger()


class EventLimit:
    """Holds keys to their pace.

    Room for events is drawn from what all gateways share, a handful at a time. While Redis is away each gateway counts
    for itself, from where the key stood.
    """

    def __init__(self, paces: Paces, pace: Pace, metrics: Metrics, ticks: Callable[[], float] = time.monotonic) -> None:
        self._paces = paces
        self._pace = pace
        self._metrics = metrics
        self._ticks = ticks
        self._shares: OrderedDict[UUID, _Share] = OrderedDict()
        self._avoid_redis_until = 0.0

    async def admit(self, key: UUID, events: int, pace: Pace | None = None) -> Quota:
        """Let the events of one request in, all or none; `pace` is the key's own. Raises `TooManyEvents`."""
        events = max(1, events)
        share = self._share(key, pace or self._pace)
        if share.drawn < events or share.drawing.locked():
            async with share.drawing:  # the others wait for the handful instead of drawing one each
                if share.drawn < events:
                    await self._draw(key, share, events)
        share.drawn -= events
        return self._quota(share)

    async def _draw(self, key: UUID, share: "_Share", events: int) -> None:
        """Add to what is drawn until it is enough, or refuse."""
        lacking = events - share.drawn
        # What was left when Redis was last asked can only have been used by others since.
        room = share.pace.room(share.full_at, self._ticks())
        if room >= lacking:
            drawn = await self._ask(key, lacking, share.pace)
            now = self._ticks()
            if drawn is None:
                self._metrics.limits_local.inc()
                share.full_at = share.pace.moved(share.full_at, now, lacking)
                share.drawn += lacking
            else:
                share.full_at = now + drawn.full_after
                share.drawn += drawn.granted
            room = share.pace.room(share.full_at, now)
        if share.drawn < events:
            self._refuse(key, share, events, lacking - room)

    async def _ask(self, key: UUID, least: int, pace: Pace) -> Drawn | None:
        """Draw from what all share; None while Redis is away, and for two seconds after."""
        if self._ticks() < self._avoid_redis_until:
            return None
        handful = max(least, int(pace.a_second * _DRAWN_SECONDS))
        try:
            async with asyncio.timeout(_REDIS_WITHIN):
                return await self._paces.draw(str(key), least, handful, pace)
        except (StoreUnavailable, TimeoutError):
            self._avoid_redis_until = self._ticks() + _REDIS_AVOIDED_FOR
            return None

    def _refuse(self, key: UUID, share: "_Share", events: int, lacking: int) -> None:
        self._metrics.events_limited.inc(events)
        now = self._ticks()
        if now - share.told_at >= _TOLD_EVERY:
            share.told_at = now
            _log.warning("key_too_fast", key=str(key), events=events)
        raise TooManyEvents(share.pace, self._quota(share), share.pace.wait(lacking))

    def _quota(self, share: "_Share") -> Quota:
        now, pace = self._ticks(), share.pace
        left = min(pace.at_once, share.drawn + pace.room(share.full_at, now))
        return Quota(pace.at_once, left, ceil((pace.at_once - left) / pace.a_second))

    def _share(self, key: UUID, pace: Pace) -> "_Share":
        share = self._shares.get(key)
        if share is None or share.pace != pace:
            share = self._shares[key] = _Share(pace)
            if len(self._shares) > _MOST_KEYS:
                self._shares.popitem(last=False)
        else:
            self._shares.move_to_end(key)
        return share


class _Share:
    """What this gateway holds of one key's allowance, and what it knows of the rest."""

    __slots__ = ("drawing", "drawn", "full_at", "pace", "told_at")

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.drawing = asyncio.Lock()
        self.drawn = 0
        self.full_at = float("-inf")
        """When the shared allowance would be full again if nobody else drew from it."""
        self.told_at = float("-inf")
