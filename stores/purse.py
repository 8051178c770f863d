"""Points that a key has left, in Redis, for all gateways together."""

from typing import Any, Final, cast

import msgspec

from domain.spending import Allowance
from stores.redis import Redis, asking

# The server's own clock, so that gateways need not agree on the time. KEYS: the purse; ARGV: most, a second, wanted.
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local held = redis.call('HMGET', KEYS[1], 'points', 'at')
local points = tonumber(ARGV[1])
if held[1] then
    points = math.min(points, held[1] + (now - held[2]) * ARGV[2])
end
local taken = 0
if points >= tonumber(ARGV[3]) then
    taken = ARGV[3]
    points = points - taken
end
redis.call('HSET', KEYS[1], 'points', points, 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[1] / ARGV[2]) + 1)
return {taken, math.floor(points)}
"""


class Taken(msgspec.Struct, frozen=True):
    """Whether the points were there, and how many are left."""

    granted: bool
    left: int


class Purse:
    """A token bucket for each holder, `tagway:points:{holder}`."""

    def __init__(self, redis: Redis) -> None:
        self._take = redis.register_script(_TAKE)

    async def take(self, holder: str, points: int, allowance: Allowance) -> Taken:
        """Take points, all or none. Raises `StoreUnavailable`."""
        with asking():
            answer: Any = await self._take([f"tagway:points:{holder}"], [allowance.most, allowance.a_second, points])
        taken, left = cast("list[Any]", answer)
        return Taken(int(taken) == points, int(left))
