"""Numbers of people as a caller may know them: small ones hidden, so that nobody is found by counting.

Two questions that differ by one person must not tell what is true of that person. So numbers are rounded at random, up
or down to a ten, as statistical offices do (random rounding to base 10): which way is drawn once for each question, by
a key of the workspace, so that asking again tells no more. Where the question is the caller's own, and not a segment
that somebody saved, the threshold is drawn too: a step over it tells no more than a step from ten to ten.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from domain.key import Scope
from resolvers.context import Info

_STEP: Final = 10
EVERYONE: Final = "everyone"
"""The question how many people there are."""


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells one caller numbers of people. `least` is the smallest that is told; None where all are, exactly."""

    least: int | None
    key: bytes

    def tell(self, exact: int, about: str, *, own: bool = False) -> int | None:
        """Tell a number; `about` is the question that it answers, `own` where the caller thought it up."""
        if self.least is None:
            return exact
        draws = hmac.digest(self.key, about.encode(), hashlib.sha256)
        return rounded(exact, self.least, draws[0], max(draws[1], draws[2]) if own else 0)

    def margin(self, exact: int) -> int:
        """Tell how far off an estimate may be, no finer than the number itself."""
        return exact if self.least is None else -(-exact // _STEP) * _STEP


async def teller(info: Info) -> Teller:
    """Give what tells the caller numbers."""
    return Teller(await threshold(info), info.context.caller.keys.signing_key("counts"))


async def threshold(info: Info) -> int | None:
    """Return the smallest number that the caller is told; None when they are told every number exactly."""
    if Scope.COUNTS_EXACT in info.context.caller.principal.scopes:
        return None
    return (await info.context.policy()).settings.k_threshold


async def head_count(info: Info, exact: int, about: str, *, own: bool = False) -> int | None:
    """Tell a number of people as the caller may know it, in answer to a question."""
    return (await teller(info)).tell(exact, about, own=own)


def question_of(definition: Any) -> str:
    """Name the question who is in a segment of this definition, which is JSON: the same for all that have it."""
    return msgspec.json.encode(definition, order="deterministic").decode()


def rounded(exact: int, least: int, draw: int = 0, guard: int = 0) -> int | None:
    """Return None below `least`, else the ten below or above: the nearer, the likelier. Never less than `least`.

    `draw` and `guard` are bytes drawn at random. The guard raises the threshold, by less than half.
    """
    if exact < least + guard * least // 512:
        return None
    return max(least, (exact + draw * _STEP // 256) // _STEP * _STEP)
