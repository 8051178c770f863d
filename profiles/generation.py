"""Builders of two generations never work side by side: the newer waits until the older have ended, which then stay out.

A builder holds a lock in a session of its own for as long as it lives, and the database tells by which generation it
was built last. A release without a change in `GENERATION` goes in one process after the other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from domain.errors import CannotRun
from stores.faults import transaction
from stores.generation import earlier_living, hold_generation, raise_generation, read_generation, show_life
from stores.outage import STORE_FAULTS
from stores.postgres import Connection, Database

GENERATION: Final = 1
"""To be raised whenever builders keep something that those before could not go on from, or must not be without."""

_LOG = structlog.get_logger(__name__)
_LOOK_EVERY: Final = 1.0
_SILENT_LOOKS: Final = 3
"""So many in a row find nobody before a new generation begins: from one publisher to the next may take a second."""


class Superseded(CannotRun):
    """A newer generation builds here."""


async def in_turn(
    database: Database, stop: asyncio.Event, work: Callable[[], Awaitable[None]], *, generation: int = GENERATION
) -> None:
    """Do the work once it is this generation's turn, which `stop` ends as well.

    Raises `Superseded`, when it comes too late and when it is overtaken while it was cut off from the database.
    """
    turn = asyncio.Event()

    async def begin() -> None:
        await _either(turn, stop)
        if not stop.is_set():
            await work()

    tasks = {asyncio.create_task(_keep(database, generation, turn)), asyncio.create_task(begin())}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _keep(database: Database, generation: int, turn: asyncio.Event) -> None:
    """Be seen for as long as the process lives, and set `turn` once it may begin."""
    while True:
        try:
            async with database.hold(lively=True) as connection:
                await _await_turn(connection, generation)
                turn.set()
                while True:
                    await asyncio.sleep(_LOOK_EVERY)
                    await read_generation(connection)  # finds out that the session is lost
        except STORE_FAULTS:
            await asyncio.sleep(_LOOK_EVERY)


async def _await_turn(connection: Connection, generation: int) -> None:
    silent, told = 0, False
    while True:
        async with transaction(connection):
            await hold_generation(connection)
            await show_life(connection, generation)
            newest = await read_generation(connection)
            if newest > generation:
                raise Superseded("builders of a newer release have taken over this database: start that one instead")
            if newest == generation:
                return
            earlier = await earlier_living(connection, generation)
            silent = 0 if earlier else silent + 1
            if silent >= _SILENT_LOOKS:
                await raise_generation(connection, generation)
                return
        if earlier and not told:
            _LOG.warning("builders_wait", problem="builders of an earlier release still run: stop them")
            told = True
        await asyncio.sleep(_LOOK_EVERY)


async def _either(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
