"""What was answered to requests that may come again, in Redis for a day, sealed by whoever keeps it here."""

from typing import Final, cast

import msgspec

from domain.errors import StoreUnavailable
from stores.redis import LOST, Redis

KEPT_SECONDS: Final = 86_400
RUNNING_SECONDS: Final = 120
"""After which a request that nobody finished, because its process died, may be run by the next who asks."""

_MARK_BYTES: Final = 32


class Kept(msgspec.Struct, frozen=True):
    """The mark of the request that came first, and its sealed answer; None while it runs."""

    mark: bytes
    sealed: bytes | None


class Answers:
    """Keeps one answer a name, `tagway:answer:{name}`: the mark of 32 bytes, then what is sealed.

    Every method raises `StoreUnavailable` when Redis does not answer.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def claim(self, name: str, mark: bytes) -> Kept | None:
        """Take a name for a request that is about to run; give what stands there if another came first."""
        try:
            found = await self._redis.set(_key(name), mark, nx=True, get=True, ex=RUNNING_SECONDS)
        except LOST as error:
            raise StoreUnavailable("Redis is not reachable") from error
        if found is None:
            return None
        value = cast("bytes", found)
        return Kept(value[:_MARK_BYTES], value[_MARK_BYTES:] or None)

    async def keep(self, name: str, mark: bytes, sealed: bytes) -> None:
        """Keep the answer of the request that took the name."""
        try:
            await self._redis.set(_key(name), mark + sealed, ex=KEPT_SECONDS)
        except LOST as error:
            raise StoreUnavailable("Redis is not reachable") from error

    async def release(self, name: str) -> None:
        """Let the next request run: this one did not come to an answer that stands."""
        try:
            await self._redis.delete(_key(name))
        except LOST as error:
            raise StoreUnavailable("Redis is not reachable") from error


def _key(name: str) -> str:
    return f"tagway:answer:{name}"
