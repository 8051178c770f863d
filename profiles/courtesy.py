"""What Redis is told of what is committed: a courtesy, for which no work waits long."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, ParamSpec

from domain.errors import StoreUnavailable

_WITHIN: Final = 0.5
_AVOIDED_FOR: Final = 2.0

Told = ParamSpec("Told")


class Courtesy:
    """Tells Redis shortly, and after a failure not for two seconds: one that is frozen does not even refuse."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._avoid_until = float("-inf")

    def of(self, tell: Callable[Told, Awaitable[None]]) -> Callable[Told, Awaitable[None]]:
        """Return the same, which raises `StoreUnavailable` soon."""

        async def shortly(*told: Told.args, **named: Told.kwargs) -> None:
            if self._ticks() < self._avoid_until:
                raise StoreUnavailable("Redis has said nothing lately")
            try:
                async with asyncio.timeout(_WITHIN):
                    await tell(*told, **named)
            except (StoreUnavailable, TimeoutError) as error:
                self._avoid_until = self._ticks() + _AVOIDED_FOR
                raise StoreUnavailable("Redis did not answer in time") from error

        return shortly
