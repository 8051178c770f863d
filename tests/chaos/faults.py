"""What can go wrong, each as something that is done to a trial while the crowd sends."""

import asyncio
import contextlib
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from scripts.kafka import Broker
from tests.chaos.line import Line
from tests.chaos.shifted import shift
from tests.chaos.trial import Fault, Trial
from tests.fixtures.parts import PARTS, come_back, freeze, kill

_HOUR: Final = 3_600.0

_POISON: Final = """
    WITH claimed AS (
        UPDATE log_partition SET next_offset = next_offset + 1
        WHERE topic = 'tagway.events' AND partition = 0 RETURNING topic, partition, next_offset - 1 AS place
    ) INSERT INTO log_record (topic, partition, "offset", key, value)
    SELECT topic, partition, place, 'poison', $1 FROM claimed
"""
_POISONS: Final = (b"\xff\xfe\x00", b"{}", b'{"v":1,"workspace":"7"}', b"[" * 5_000, b'{"v":99}')


def killing(*names: str) -> Fault:
    """Kill parts at once, without a warning; the product starts them again."""

    async def fault(trial: Trial) -> None:
        killed = {name: kill(trial.stack, name) for name in names}
        for name, pid in killed.items():
            await come_back(trial.stack, name, pid)

    return fault


def freezing(name: str, seconds: float) -> Fault:
    """Let a part answer nothing for a while, as behind a network that drops everything."""

    async def fault(trial: Trial) -> None:
        await freeze(trial.stack, name, seconds)

    return fault


def faltering(name: str, seconds: float) -> Fault:
    """Let a part work a twentieth of a second of each quarter, as behind a network that is slow and loses most."""

    async def fault(trial: Trial) -> None:
        clock = asyncio.get_running_loop().time
        ends = clock() + seconds
        while clock() < ends:
            await freeze(trial.stack, name, 0.2)
            await asyncio.sleep(0.05)

    return fault


def stalling(seconds: float) -> Fault:
    """Put the clients behind a line that is slow and breaks off in the middle now and then."""

    async def fault(trial: Trial) -> None:
        async with Line(trial.stack.url).running() as url:
            trial.crowd.url = url
            try:
                await asyncio.sleep(seconds)
            finally:
                trial.crowd.url = trial.stack.url

    return fault


def filling(disk: Path, seconds: float) -> Fault:
    """Fill the disk of the spool, and take Postgres away: nothing can be kept, so nothing may be acknowledged."""

    async def fault(trial: Trial) -> None:
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(65_536))
        try:
            await freeze(trial.stack, "postgres", seconds)
        finally:
            ballast.unlink()

    return fault


def jumping(seconds: float) -> Fault:
    """Set the clock of gateway and builder an hour ahead, then an hour back, for so many seconds each."""

    async def fault(trial: Trial) -> None:
        try:
            for off in (_HOUR, -_HOUR):
                shift(trial.stack.data, off)
                await asyncio.sleep(seconds)
        finally:
            shift(trial.stack.data, 0)

    return fault


async def poisoning(trial: Trial) -> None:
    """Put records on the log that no version of ours has written."""
    for poison in _POISONS:
        await trial.execute(_POISON, poison)


async def repeating(trial: Trial) -> None:
    """Send what was acknowledged again, shuffled and cut into other batches."""
    await trial.crowd.repeat(60)


async def nothing(_trial: Trial) -> None:
    """Do no harm: what the load is without any."""


def breaking(broker: Broker, seconds: float, *, number: signal.Signals = signal.SIGKILL) -> Fault:
    """Take the broker away for a while."""

    async def fault(_trial: Trial) -> None:
        process = broker._process
        assert process is not None
        process.send_signal(number)
        await asyncio.to_thread(process.wait)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(broker.start)

    return fault


def faults() -> Mapping[str, Fault]:
    """List what can be done to a product on its embedded stores."""
    return {
        "none": nothing,
        **{f"kill -9 {name}": killing(name) for name in PARTS},
        "kill -9 all at once": killing(*PARTS),
        "freeze postgres 3 s": freezing("postgres", 3),
        "freeze redis 3 s": freezing("redis", 3),
        "slow postgres 5 s": faltering("postgres", 5),
        "slow redis 5 s": faltering("redis", 5),
        "slow, broken line 5 s": stalling(5),
        "clock an hour off, 10 s": jumping(5),
        "poison on the log": poisoning,
        "repeats, shuffled": repeating,
    }


def broker_faults(broker: Broker, away: float) -> Mapping[str, Fault]:
    """List what can be done to the broker; `away` is the longest that it stays away, in seconds."""
    return {
        "kill -9 broker": breaking(broker, 0),
        f"broker away {away:g} s": breaking(broker, away),
        "kill -9 gateway, broker away": together(killing("serve"), breaking(broker, 5)),
    }


def together(*parts: Fault) -> Fault:
    """Let several things go wrong at the same time."""

    async def fault(trial: Trial) -> None:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(_run(part, trial))

    return fault


async def _run(fault: Fault, trial: Trial) -> None:
    await fault(trial)
