"""Over random definitions and traffic, how many memberships differ from a recount of everything, at every instant?"""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from bench.figure import Figure
from tests.profiles.segments.recount import compare

COMPARISONS = 1_000_000
PROCESSES = 2
AT_MOST_SECONDS = 600
_FIRST_SEED = 10_000
_AT_ONCE = 25


async def run() -> list[Figure]:
    """Compare until there are enough; the first difference ends it, with its seed."""
    loop, compared, seed = asyncio.get_running_loop(), 0, _FIRST_SEED
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        while compared < COMPARISONS:
            seeds = [range(seed + place * _AT_ONCE, seed + (place + 1) * _AT_ONCE) for place in range(PROCESSES)]
            seed = seeds[-1].stop
            compared += sum(await asyncio.gather(*(loop.run_in_executor(pool, compare_all, each) for each in seeds)))
    return [Figure("memberships compared, none wrong", compared, at_least=COMPARISONS)]


def compare_all(seeds: range) -> int:
    """Compare one person's traffic per seed."""
    return sum(compare(seed) for seed in seeds)
