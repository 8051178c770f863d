"""Waiting no longer than a caller should, and no longer for a caller than we can afford."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from domain.errors import Refused

Found = TypeVar("Found")

_ARRIVES_WITHIN: Final = 10.0


async def arrived(body: Coroutine[Any, Any, Found]) -> Found:
    """Give the body of a request ten seconds to arrive. Raises `request_timeout`."""
    try:
        async with asyncio.timeout(_ARRIVES_WITHIN):
            return await body
    except TimeoutError as error:
        raise Refused(code="request_timeout") from error


async def within(seconds: float, work: Coroutine[Any, Any, Found]) -> Found:
    """Wait so long for work, then raise `TimeoutError` and let it come to its own end beside.

    A server that is frozen does not let go of a cancelled query either, so to cancel would be to wait on.
    """
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait([task], timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.add_done_callback(_overhear)
        raise TimeoutError
    return task.result()


def _overhear(task: "asyncio.Task[Any]") -> None:
    """Take note of how it ended, as nobody else does any more."""
    if not task.cancelled():
        task.exception()
