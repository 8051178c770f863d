"""Answers about people that are still true: kept for a minute, and given again only while nothing has changed.

Whether something has changed is asked of the database each time, so what consent, an erasure or a restriction forbids
is never given out of here, not even for a moment. What is saved is the rest of the work: all other statements, the
run of the plan and the encoding.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec
from strawberry.types import ExecutionResult

from domain.alias import Alias
from domain.errors import StoreUnavailable
from domain.key import Principal
from privacy.plan import Plan
from resolvers.context import Operation
from resolvers.live.groups import Payload
from stores.reads.profiles import of_aliases
from stores.reads.stamps import Stamp, stamps

_KEPT_SECONDS: Final = 60.0
_MOST_BYTES: Final = 32 * 1024 * 1024
_BYTES_OF_A_LETTER: Final = 8
"""About what an answer takes: its text, and the objects that it was encoded from."""


class Fate(StrEnum):
    """What became of a question whose answer may be kept."""

    HIT = "hit"
    """It was kept and is still true."""
    STALE = "stale"
    """It was kept, but something has changed, or it is too old."""
    MISS = "miss"
    """It was not kept."""
    PASSED = "passed"
    """It cannot be kept: somebody in it is not known, or the store did not say how things stand."""


Whom = Sequence[UUID | tuple[Alias, ...]]
Make = Callable[[], Awaitable[tuple[ExecutionResult, int]]]


class Standing(msgspec.Struct, frozen=True):
    """How things stood with everybody an answer is about, and the tracking plan that said what may be shown."""

    people: tuple[Stamp, ...]
    plan: Plan

    def still(self, other: "Standing") -> bool:
        """Tell whether nothing has changed."""
        return self.plan is other.plan and self.people == other.people


class _Kept(msgspec.Struct, frozen=True):
    standing: Standing
    payload: Payload
    objects: int
    at: float


class KeptAnswers:
    """Keeps answers by what was asked and by whom, as many as `most_bytes` hold. `ticks` gives seconds.

    `tell` is told what became of each question, for whoever counts.
    """

    def __init__(
        self,
        most_bytes: int = _MOST_BYTES,
        ticks: Callable[[], float] = time.monotonic,
        tell: Callable[[Fate], object] | None = None,
    ) -> None:
        self._most_bytes = most_bytes
        self._ticks = ticks
        self._tell = tell or (lambda _: None)
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._bytes = 0
        self._sweep: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Count the answers that are kept."""
        return len(self._kept)

    async def answer(
        self, operation: Operation, asked: Hashable, whom: Whom, make: Make
    ) -> tuple[ExecutionResult, int]:
        """Give the answer that is kept if it is still true, else have it made; and the number of its objects.

        `asked` stands for the document and its variables. Who may see what is part of the key: the workspace, the
        scopes, and for visitors who they are. An answer with errors is not kept.
        """
        standing = await _standing(operation, whom)
        if standing is None:
            self._tell(Fate.PASSED)
            return await make()
        key = asked, sight(operation.caller.principal)
        kept = self._kept.get(key)
        if kept and kept.standing.still(standing) and self._ticks() - kept.at < _KEPT_SECONDS:
            self._tell(Fate.HIT)
            return kept.payload, kept.objects
        self._tell(Fate.STALE if kept else Fate.MISS)
        self._drop(key)
        # How things stood was read before: what changes while the answer is made shows as a change the next time.
        result, objects = await make()
        if result.errors or operation.session.released:
            return result, objects
        payload = Payload.of(result).tagged(sight_tag(operation.caller.principal, result.data))
        self._keep(key, _Kept(standing, payload, objects, self._ticks()))
        return payload, objects

    def _keep(self, key: Hashable, kept: _Kept) -> None:
        self._drop(key)
        self._kept[key] = kept
        self._bytes += _size(kept)
        while self._bytes > self._most_bytes and self._kept:
            self._drop(next(iter(self._kept)))
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(_KEPT_SECONDS, self._drop_old)

    def _drop(self, key: Hashable) -> None:
        gone = self._kept.pop(key, None)
        if gone:
            self._bytes -= _size(gone)

    def _drop_old(self) -> None:
        """Let go of what nobody asked for again, so that nobody's data outlives them here."""
        now = self._ticks()
        for key in [key for key, kept in self._kept.items() if now - kept.at >= _KEPT_SECONDS]:
            self._drop(key)
        oldest = next(iter(self._kept.values()), None)
        left = _KEPT_SECONDS - (now - oldest.at) if oldest else None
        loop = asyncio.get_running_loop()
        self._sweep = None if left is None else loop.call_later(max(left, 0.1), self._drop_old)


def sight(principal: Principal) -> Hashable:
    """Name all that decides on what a caller may see: not which key it is, but what the key may do, and for whom."""
    return msgspec.structs.replace(principal, key_id=None)


def sight_tag(principal: Principal, data: Any) -> str:
    """Make the entity tag of an answer's data as a caller sees it: another caller's tag never fits."""
    seen = (principal.workspace, sorted(principal.scopes), principal.anonymous_id, principal.user_id)
    digest = hashlib.blake2b(msgspec.json.encode((seen, data)), digest_size=16)
    return f'W/"{digest.hexdigest()}"'


async def _standing(operation: Operation, whom: Whom) -> Standing | None:
    """Read how things stand; None unless everybody is known, and when it cannot be read."""
    try:
        plan = (await operation.policy()).plan
        async with operation.services.database.workspace(operation.caller.principal.workspace) as connection:
            aliases = [alias for each in whom if isinstance(each, tuple) for alias in each]
            owners = await of_aliases(connection, aliases) if aliases else {}
            ids = [each if isinstance(each, UUID) else _first(each, owners) for each in whom]
            known = [each for each in ids if each]
            found = await stamps(connection, known) if len(known) == len(ids) else {}
    except StoreUnavailable:
        return None
    if not all(each in found for each in ids):
        return None
    return Standing(tuple(found[each] for each in known), plan)


def _first(aliases: tuple[Alias, ...], owners: dict[Alias, UUID]) -> UUID | None:
    return next((owners[alias] for alias in aliases if alias in owners), None)


def _size(kept: _Kept) -> int:
    return len(kept.payload.text) * _BYTES_OF_A_LETTER
