"""Whether those who follow something are still welcome: asked again and again, also while nothing happens."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final

from graphql import located_error
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionResult

from domain.errors import Refused, StoreUnavailable
from resolvers.caller import Caller
from resolvers.context import Session
from resolvers.errors import coded

KEY_SECONDS: Final = 2.0
"""How often a key is asked about. What is answered may be two seconds old itself; revoked keys are out after five."""
TOKEN_SECONDS: Final = 4.0
"""How often a visitor's token is read again; its time is in it, so that what is found is never old."""

FindCaller = Callable[[], Awaitable[Caller]]


async def until_unwelcome(session: Session, find_caller: FindCaller) -> Refused:
    """Wait until the caller is refused, and return why; meanwhile the session's caller is who the token names by now.

    `find_caller` tells whom the token speaks for now; that it cannot be asked is no refusal.
    """
    while True:
        caller = session.caller
        await asyncio.sleep(TOKEN_SECONDS if caller and caller.principal.is_end_user else KEY_SECONDS)
        try:
            session.caller = await find_caller()
        except Refused as refusal:
            return refusal
        except StoreUnavailable:
            continue


async def while_welcome(results: AsyncGenerator[Any, None], session: Session, find_caller: FindCaller) -> StreamResult:
    """End a stream with the token that asked for it: nothing is told to whom it no longer speaks for.

    `find_caller` is as above. Raises what the results raise.
    """
    leaving = asyncio.create_task(until_unwelcome(session, find_caller))
    async with aclosing(results):
        try:
            while True:
                coming = asyncio.ensure_future(anext(results))
                try:
                    await asyncio.wait({coming, leaving}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not coming.done() or leaving.done():
                        await _let_go(coming)
                if leaving.done():
                    error = coded(located_error(leaving.result()), session.request_id)
                    yield ExecutionResult(data=None, errors=[error])
                    return
                try:
                    result = coming.result()
                except StopAsyncIteration:
                    return
                yield result
        finally:
            await _let_go(leaving)


async def _let_go(work: "asyncio.Future[Any]") -> None:
    """Cancel what nobody waits for any more, and see it end."""
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
