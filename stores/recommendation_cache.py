"""Lists that were made lately, in Redis: per person one hash, so that one command forgets all that is theirs."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final, cast
from uuid import UUID

from stores.redis import Redis, asking

_KEEP: Final = timedelta(seconds=60)
_ANSWER_WITHIN: Final = 0.25
"""Seconds: making a list anew takes less than waiting any longer."""


class RecommendationCache:
    """Reads, keeps and drops entries of `tagway:recommendations:{workspace}:{profile}`, a minute each at most.

    Whoever reads an entry must compare the stamp inside with how things stand: nothing is dropped when they change.
    Every method raises `StoreUnavailable` when Redis does not answer; `read` and `keep` do not wait for it.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self, workspace: UUID, wanted: Sequence[tuple[UUID, bytes]]) -> list[bytes | None]:
        """Read the entry of each (profile, question), all in one round trip."""
        with asking():
            async with asyncio.timeout(_ANSWER_WITHIN), self._redis.pipeline(transaction=False) as pipeline:
                for profile, question in wanted:
                    pipeline.hget(_name(workspace, profile), cast("str", question))
                return cast("list[bytes | None]", await pipeline.execute())

    async def keep(self, workspace: UUID, entries: Mapping[tuple[UUID, bytes], bytes]) -> None:
        """Keep entries for a minute, all in one round trip."""
        with asking():
            async with asyncio.timeout(_ANSWER_WITHIN), self._redis.pipeline(transaction=False) as pipeline:
                for (profile, question), value in entries.items():
                    name = _name(workspace, profile)
                    pipeline.hset(name, mapping={question: value})
                    pipeline.expire(name, _KEEP)
                await pipeline.execute()

    async def drop(self, workspace: UUID, profiles: Iterable[UUID]) -> None:
        """Forget everything kept of some people."""
        names = [_name(workspace, profile) for profile in profiles]
        if not names:
            return
        with asking():
            await self._redis.delete(*names)


def _name(workspace: UUID, profile: UUID) -> str:
    return f"tagway:recommendations:{workspace}:{profile}"
