"""Making gateways forget what they hold of people of whom something else is stored by now."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Final

from domain.alias import Alias
from domain.errors import StoreUnavailable
from resolvers.context import Info

_WITHIN: Final = 0.5


async def forget_cached(info: Info, aliases: Collection[Alias]) -> None:
    """Drop these people. If Redis is away, what is held of them ends by itself within five seconds."""
    with suppress(StoreUnavailable, TimeoutError):
        async with asyncio.timeout(_WITHIN):
            await info.context.services.subjects.drop(info.context.caller.principal.workspace, aliases)
