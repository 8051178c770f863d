"""What can go wrong, each as something that is done to a trial while the crowd sends."""

import asyncio
import contextlib
from typing import Final

import asyncpg
import redis.asyncio

from tests.chaos.line import Line
from tests.chaos.shifted import shift
from tests.chaos.trial import Fault, Trial
from tests.fixtures.parts import come_back, freeze, kill

_HOUR: Final = 3_600.0
_WAL_IN_STOCK: Final = 64


def killing(*names: str) -> Fault:
    """Kill parts at once, without a warning; the product starts them again."""

    async def fault(trial: Trial) -> None:
        killed = {name: kill(trial.site.stack, name) for name in names}
        for name, pid in killed.items():
            await come_back(trial.site.stack, name, pid)

    return fault


def freezing(name: str, seconds: float) -> Fault:
    """Let a part answer nothing for a while, as behind a network that drops everything."""

    async def fault(trial: Trial) -> None:
        await freeze(trial.site.stack, name, seconds)

    return fault


def faltering(name: str, seconds: float) -> Fault:
    """Let a part work a twentieth of a second of each quarter, as behind a network that is slow and loses most."""

    async def fault(trial: Trial) -> None:
        clock = asyncio.get_running_loop().time
        ends = clock() + seconds
        while clock() < ends:
            await freeze(trial.site.stack, name, 0.2)
            await asyncio.sleep(0.05)

    return fault


def stalling(seconds: float) -> Fault:
    """Put the clients behind a line that is slow and breaks off in the middle now and then."""

    async def fault(trial: Trial) -> None:
        async with Line(trial.site.stack.url).running() as url:
            trial.crowd.url = url
            try:
                await asyncio.sleep(seconds)
            finally:
                trial.crowd.url = trial.site.stack.url

    return fault


def cutting(seconds: float) -> Fault:
    """Cut the way between the product and Postgres; what was open is never heard of again."""

    async def fault(trial: Trial) -> None:
        assert trial.site.wire is not None
        await trial.site.wire.cut(seconds)

    return fault


def refusing(seconds: float, begin: str, end: str) -> Fault:
    """Have Redis answer with errors for a while, by one command to it and another."""

    async def fault(trial: Trial) -> None:
        async with redis.asyncio.Redis.from_url(trial.site.address("redis")) as client:
            await client.execute_command(*begin.split())  # type: ignore[no-untyped-call]  # theirs has no annotations
            try:
                await asyncio.sleep(seconds)
            finally:
                await client.execute_command(*end.split())  # type: ignore[no-untyped-call]  # as above

    return fault


def filling(disk: str, meanwhile: Fault) -> Fault:
    """Fill a disk, and do something else for as long as it is full."""

    async def fault(trial: Trial) -> None:
        async with trial.site.disks[disk].full():
            await meanwhile(trial)

    return fault


def jumping(seconds: float) -> Fault:
    """Set the clock of gateway and builder an hour ahead, then an hour back, for so many seconds each."""

    async def fault(trial: Trial) -> None:
        try:
            for off in (_HOUR, -_HOUR):
                shift(trial.site.stack.data, off)
                await asyncio.sleep(seconds)
        finally:
            shift(trial.site.stack.data, 0)

    return fault


async def ending_wal(trial: Trial) -> None:
    """Have Postgres ask for new files of its write-ahead log, of which it has some in stock, until it cannot go on."""
    with contextlib.suppress(asyncpg.PostgresError, OSError):
        for _ in range(_WAL_IN_STOCK):
            await trial.site.execute("SELECT pg_logical_emit_message(false, 'chaos', 'x'), pg_switch_wal()")


async def repeating(trial: Trial) -> None:
    """Send what was acknowledged again, shuffled and cut into other batches."""
    await trial.crowd.repeat(60)


def waiting(seconds: float) -> Fault:
    """Do nothing for a while."""

    async def fault(_trial: Trial) -> None:
        await asyncio.sleep(seconds)

    return fault


def together(*parts: Fault) -> Fault:
    """Let several things go wrong at the same time."""

    async def fault(trial: Trial) -> None:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(_run(part, trial))

    return fault


async def _run(fault: Fault, trial: Trial) -> None:
    await fault(trial)
