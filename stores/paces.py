"""How fast each key sends, in Redis, for all gateways together."""

from typing import Any, Final, cast

import msgspec

from domain.pace import Pace
from stores.redis import Redis, asking

# In microseconds of the server's own clock, so that gateways need not agree on the time. It may have been set back,
# or another server's may have taken over, or the pace was a slower one: what lies further ahead than all that may come
# at once is brought back to that and kept so, else it would come no nearer.
# KEYS: the key's instant; ARGV: microseconds of an event, events at once, the least and the most that is wanted.
_DRAW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each, furthest = tonumber(ARGV[1]), ARGV[1] * ARGV[2]
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
full_at = math.min(math.max(full_at, now), now + furthest)
local room = math.floor((now + furthest - full_at) / each + 0.000001)
local granted = 0
if room >= tonumber(ARGV[3]) then
    granted = math.min(room, tonumber(ARGV[4]))
    full_at = full_at + granted * each
end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000) + 1000)
return {granted, string.format('%.0f', full_at - now)}
"""


class Drawn(msgspec.Struct, frozen=True):
    """How many events were granted, and in how many seconds the allowance is full again."""

    granted: int
    full_after: float


class Paces:
    """One instant for each holder, `tagway:pace:{holder}`, gone by itself once it has passed."""

    def __init__(self, redis: Redis) -> None:
        self._draw = redis.register_script(_DRAW)

    async def draw(self, holder: str, least: int, most: int, pace: Pace) -> Drawn:
        """Take as many events as there is room for, up to `most`; fewer than `least`: none.

        One round trip. Raises `StoreUnavailable`.
        """
        with asking():
            answer: Any = await self._draw(
                [f"tagway:pace:{holder}"], [1_000_000 / pace.a_second, pace.at_once, least, most]
            )
        granted, full_after = cast("list[Any]", answer)
        return Drawn(int(granted), int(full_after) / 1_000_000)
