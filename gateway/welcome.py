"""Subscriptions over server-sent events, for as long as the token that asked is good."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from graphql import located_error
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionResult

from domain.errors import Refused, StoreUnavailable
from gateway.socket import CHECK_AGAIN_SECONDS
from resolvers.caller import Caller
from resolvers.context import Session
from resolvers.errors import coded


async def while_welcome(
    results: AsyncGenerator[Any, None], session: Session, find_caller: Callable[[], Awaitable[Caller]]
) -> StreamResult:
    """End a stream with the token that asked for it: nothing is told to whom it no longer speaks for.

    `find_caller` tells whom the token speaks for now. Raises what the results raise.
    """
    asked_at = time.monotonic()
    async with aclosing(results):
        async for result in results:
            if time.monotonic() - asked_at >= CHECK_AGAIN_SECONDS:
                try:
                    session.caller, asked_at = await find_caller(), time.monotonic()
                except Refused as refusal:
                    error = coded(located_error(refusal), session.request_id)
                    yield ExecutionResult(data=None, errors=[error])
                    return
                except StoreUnavailable:
                    asked_at = time.monotonic()
            yield result
