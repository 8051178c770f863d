"""Numbers of people as a caller may know them: small ones hidden, so that nobody is found by counting."""

from typing import Final

from domain.key import Scope
from resolvers.context import Info

_STEP: Final = 10


async def threshold(info: Info) -> int | None:
    """Return the smallest number that the caller is told; None when they are told every number exactly."""
    if Scope.COUNTS_EXACT in info.context.caller.principal.scopes:
        return None
    return (await info.context.policy()).settings.k_threshold


async def head_count(info: Info, exact: int) -> int | None:
    """Tell a number of people as the caller may know it."""
    least = await threshold(info)
    return exact if least is None else rounded(exact, least)


def rounded(exact: int, least: int) -> int | None:
    """Return None below `least`, else the nearest ten, and never less than `least`."""
    if exact < least:
        return None
    return max(least, (exact + _STEP // 2) // _STEP * _STEP)
