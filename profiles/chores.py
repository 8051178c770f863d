"""Work that waits in a table, for whichever process comes first, and that nobody calls for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Never, TypeVar
from uuid import UUID

import structlog

from domain.errors import LogUnavailable, StoreUnavailable
from stores.faults import Contended, Unfit

Item = TypeVar("Item")

_LOG = structlog.get_logger(__name__)
_LOOK_EVERY: Final = 0.5


async def keep_at(name: str, work: Callable[[], Awaitable[object]], every: float = _LOOK_EVERY) -> Never:
    """Do what waits, and look again after so many seconds, until cancelled. A fault of a store only delays it."""
    while True:
        try:
            await work()
        except (Contended, LogUnavailable, StoreUnavailable, Unfit) as error:
            _LOG.warning(f"{name}_waits", problem=str(error))
        await asyncio.sleep(every)


async def exhaust(step: Callable[[], Awaitable[object]]) -> None:
    """Take one step after another, as long as each finds something to do."""
    while await step():  # noqa: ASYNC110 - not a wait for anything
        await asyncio.sleep(0)


async def finish(waiting: Iterable[tuple[UUID, Item]], step: Callable[[UUID, Item], Awaitable[bool]]) -> None:
    """Take each item of a workspace as far as its steps go; each step tells whether another can follow it."""
    for workspace, item in waiting:
        while await step(workspace, item):  # noqa: ASYNC110 - not a wait for anything
            # Live batches queue for the definitions behind such a step: they go first.
            await asyncio.sleep(0)
