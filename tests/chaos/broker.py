"""What can go wrong with the broker."""

import asyncio
from typing import Final

from tests.chaos.trial import Fault, Trial

_FAILS_WITHIN: Final = 20.0


def breaking(seconds: float) -> Fault:
    """Kill the broker, and start it again after a while."""

    async def fault(trial: Trial) -> None:
        broker = trial.site.broker
        assert broker is not None
        await asyncio.to_thread(broker.kill)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(broker.start)

    return fault


async def overfilling(trial: Trial) -> None:
    """Fill the disk of the broker until it ends, as Kafka does without a disk, and start it again with room."""
    broker = trial.site.broker
    assert broker is not None
    async with trial.site.disks["broker"].full():
        clock = asyncio.get_running_loop().time
        ends = clock() + _FAILS_WITHIN
        while broker.alive and clock() < ends:
            await asyncio.sleep(0.1)
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)
