"""What each key may ask for in a stretch of time. One point is one object that an operation may return at most."""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from typing import Final

from domain.errors import StoreUnavailable
from domain.spending import Allowance, CostExceeded, Spent
from resolvers.caller import Caller
from stores.purse import Purse

_DRAWN_SECONDS: Final = 0.05
"""What is drawn at once, as seconds of the allowance: a cheap operation costs no round trip of its own."""

_MOST_HOLDERS: Final = 10_000


class Budget:
    """Charges operations before they run.

    Points are drawn from the key's purse, which all gateways share, a handful at a time. While Redis is away each
    gateway has a purse of its own for the key, that goes on from where the key stood.
    """

    def __init__(self, purse: Purse, allowance: Allowance, ticks: Callable[[], float] = time.monotonic) -> None:
        self._purse = purse
        self._allowance = allowance
        self._ticks = ticks
        self._drawn: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._alone: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Points left, and when that was, of whoever was charged without Redis."""

    async def charge(self, caller: Caller, points: int) -> Spent:
        """Charge for one operation. Raises `CostExceeded`."""
        holder = _holder(caller)
        drawn, left = self._drawn.get(holder, (0, self._allowance.most))
        if drawn < points:
            try:
                drawn, left = await self._draw(holder, points - drawn)
                self._alone.pop(holder, None)
            except StoreUnavailable:
                left = self._draw_alone(holder, points - drawn, left)
                drawn = points
        self._drawn[holder] = max(0, drawn - points), left
        self._drawn.move_to_end(holder)
        if len(self._drawn) > _MOST_HOLDERS:
            self._drawn.popitem(last=False)
        return Spent(points, left + max(0, drawn - points), self._allowance)

    def settle(self, caller: "Caller", spent: Spent, actual: int) -> Spent:
        """Give back what an operation was charged for and did not use."""
        unused = max(0, spent.requested - actual)
        holder = _holder(caller)
        drawn, left = self._drawn.get(holder, (0, spent.remaining))
        self._drawn[holder] = drawn + unused, left
        return Spent(spent.requested, min(spent.remaining + unused, self._allowance.most), self._allowance, actual)

    async def _draw(self, holder: str, lacking: int) -> tuple[int, int]:
        """Give what is drawn by now, with all that was lacking, and what is left in the purse."""
        handful = max(lacking, int(self._allowance.a_second * _DRAWN_SECONDS))
        taken = await self._purse.take(holder, handful, self._allowance)
        if not taken.granted and lacking < handful:
            handful = lacking
            taken = await self._purse.take(holder, handful, self._allowance)
        if not taken.granted:
            raise CostExceeded(max(1, ceil((lacking - taken.left) / self._allowance.a_second)))
        # What others drew meanwhile for the same key is here as well.
        return self._drawn.get(holder, (0, 0))[0] + handful, taken.left

    def _draw_alone(self, holder: str, lacking: int, left: int) -> int:
        """Take what is lacking from a purse that only this gateway knows, and tell what is left in it."""
        now = self._ticks()
        points, at = self._alone.pop(holder, (float(left), now))
        points = min(self._allowance.most, points + (now - at) * self._allowance.a_second)
        granted = points >= lacking
        self._alone[holder] = points - lacking * granted, now
        if len(self._alone) > _MOST_HOLDERS:
            self._alone.popitem(last=False)
        if not granted:
            raise CostExceeded(max(1, ceil((lacking - points) / self._allowance.a_second)))
        return int(points - lacking)


def _holder(caller: Caller) -> str:
    """Name a key, or a visitor by a keyed digest that tells nobody who they are."""
    principal = caller.principal
    if principal.key_id is not None:
        return f"{principal.workspace}:{principal.key_id}"
    who = f"{principal.anonymous_id}\n{principal.user_id}".encode()
    return f"{principal.workspace}:{hmac.digest(caller.keys.signing_key('points'), who, 'sha256').hex()[:32]}"
