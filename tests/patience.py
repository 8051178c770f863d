"""How tests treat time: a machine may be many times slower than the one they were written on."""

from collections.abc import Awaitable, Callable
from typing import Final

AT_ALL: Final = 60.0
"""How long a test waits for something to happen at all, in seconds; how soon it happens is `soonest`'s question."""


async def soonest(take: Callable[[int], Awaitable[float]], bar: float, rounds: int = 3) -> float:
    """Take up to so many rounds, until one is below the bar; return the seconds of the best.

    A promise of latency that the product breaks is broken in every round; a busy machine is not busy all the time.
    """
    best = float("inf")
    for number in range(rounds):
        best = min(best, await take(number))
        if best < bar:
            break
    return best
