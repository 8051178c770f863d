"""The subjects that gateways met lately, in Redis, so that a batch costs one round trip."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final, cast
from uuid import UUID

import msgspec

from domain.alias import Alias, Subject
from stores.redis import Redis, asking
from stores.subjects import Standing

# A drop is lost when Redis fails at that very moment. What was true before it then lives on in here for this long,
# and a second at most lies between reading Postgres and keeping what was read: within five in all, it is gone.
_KEEP: Final = timedelta(seconds=4)
_CLOSED_FOR: Final = timedelta(seconds=5)

# A dropped entry leaves this behind for a moment. Fills never overwrite what is there, so a gateway that read
# Postgres before the change cannot bring the old state back after it.
_CLOSED: Final = b""
_SUPPRESSED: Final = b"suppressed"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Subject).decode


class SubjectCache:
    """Reads, fills and drops entries `tagway:subject:{workspace}:{kind}:{version}:{hex index}`.

    Every method raises `StoreUnavailable` when Redis does not answer.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self, workspace: UUID, aliases: Sequence[Alias]) -> Standing:
        """Look all aliases up in one round trip; those in neither collection are not cached."""
        with asking():
            answer = await self._redis.mget(_names(workspace, aliases))
        values = cast("list[bytes | None]", answer)
        subjects: dict[Alias, Subject] = {}
        suppressed: set[Alias] = set()
        for alias, value in zip(aliases, values, strict=True):
            if value == _SUPPRESSED:
                suppressed.add(alias)
            elif value:
                subjects[alias] = _decode(value)
        return Standing(subjects, frozenset(suppressed))

    async def fill(self, workspace: UUID, standing: Standing) -> None:
        """Keep what was read from Postgres for four seconds, unless an entry was dropped meanwhile."""
        values = {alias: _encode(subject) for alias, subject in standing.subjects.items()}
        values |= dict.fromkeys(standing.suppressed, _SUPPRESSED)
        entries = dict(zip(_names(workspace, values), values.values(), strict=True))
        if not entries:
            return
        with asking():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for name, value in entries.items():
                    pipeline.set(name, value, ex=_KEEP, nx=True)
                await pipeline.execute()

    async def suppress(self, workspace: UUID, aliases: Iterable[Alias]) -> None:
        """Replace entries by the word that their people are erased, for as long as an entry lives."""
        with asking():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for name in _names(workspace, aliases):
                    pipeline.set(name, _SUPPRESSED, ex=_KEEP)
                await pipeline.execute()

    async def drop(self, workspace: UUID, aliases: Iterable[Alias]) -> None:
        """Forget entries, so that every gateway reads Postgres next."""
        with asking():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for name in _names(workspace, aliases):
                    pipeline.set(name, _CLOSED, ex=_CLOSED_FOR)
                await pipeline.execute()


def _names(workspace: UUID, aliases: Iterable[Alias]) -> list[str]:
    prefix = f"tagway:subject:{workspace}:"
    return [f"{prefix}{alias.kind.value}:{alias.version}:{alias.index.hex()}" for alias in aliases]
