"""Waiting no longer than a caller should, and no longer for a caller than we can afford."""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, Final, TypeVar

from domain.errors import Refused

Found = TypeVar("Found")

_ARRIVES_WITHIN: Final = 10.0


async def arrived(body: Coroutine[Any, Any, Found]) -> Found:
    """Give the body of a request ten seconds to arrive. Raises `request_timeout`.

    Most are there already, and are read without setting a clock, which takes longer than reading one.
    """
    try:
        first = body.send(None)
    except StopIteration as read:
        found: Found = read.value
        return found
    try:
        async with asyncio.timeout(_ARRIVES_WITHIN):
            return await _rest(body, first)
    except TimeoutError as error:
        raise Refused(code="request_timeout") from error


@coroutine
def _rest(begun: Coroutine[Any, Any, Found], first: Any) -> Generator[Any, Any, Found]:
    """Await what has run already as far as its first wait."""
    try:
        yield first
    except BaseException:
        begun.close()
        raise
    return (yield from begun.__await__())


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
