"""What was answered to requests that may come again, in Redis for a day, sealed by whoever keeps it here."""

import hashlib
from collections.abc import Collection, Iterable
from typing import Final, cast
from uuid import UUID

import msgspec

from stores.redis import Redis, asking

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

    `tagway:answers-about:{workspace}:{profile}` names those that show a person, so that they go with the person.
    Every method raises `StoreUnavailable` when Redis does not answer.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def claim(self, name: str, mark: bytes) -> Kept | None:
        """Take a name for a request that is about to run; give what stands there if another came first."""
        with asking():
            found = await self._redis.set(_key(name), mark, nx=True, get=True, ex=RUNNING_SECONDS)
        if found is None:
            return None
        value = cast("bytes", found)
        return Kept(value[:_MARK_BYTES], value[_MARK_BYTES:] or None)

    async def keep(self, name: str, mark: bytes, sealed: bytes, workspace: UUID, people: Collection[UUID] = ()) -> bool:
        """Keep the answer of the request that took the name, which shows some people.

        False, and nothing is kept, where one of them was erased while it ran.
        """
        with asking():
            async with self._redis.pipeline(transaction=True) as pipeline:
                for person in people:
                    pipeline.sadd(_about(workspace, person), name)
                    pipeline.expire(_about(workspace, person), KEPT_SECONDS)
                pipeline.set(_key(name), mark + sealed, ex=KEPT_SECONDS)
                # Whoever erases them closes the place first and then looks: one of both sees the other.
                for person in people:
                    pipeline.exists(_closed(workspace, person))
                answered = await pipeline.execute()
            closed = answered[len(answered) - len(people) :] if people else []
            gone = [_about(workspace, person) for person, is_gone in zip(people, closed, strict=True) if is_gone]
            if gone:
                await self._redis.delete(_key(name), *gone)
                return False
        return True

    async def forget(self, workspace: UUID, people: Iterable[UUID]) -> int:
        """Drop every answer that shows one of these people; return how many there were."""
        dropped = 0
        with asking():
            for person in people:
                await self._redis.set(_closed(workspace, person), b"", ex=RUNNING_SECONDS)
                names = cast("set[bytes]", await self._redis.smembers(_about(workspace, person)))
                keys = [_key(name.decode()) for name in names]
                dropped += await self._redis.delete(*keys, _about(workspace, person)) - bool(keys)
        return dropped

    async def release(self, name: str) -> None:
        """Let the next request run: this one did not come to an answer that stands."""
        with asking():
            await self._redis.delete(_key(name))


def _about(workspace: UUID, person: UUID) -> str:
    return f"tagway:answers-about:{workspace}:{person}"


def _closed(workspace: UUID, person: UUID) -> str:
    # Not even a random id of somebody erased shall stay, also for so short a time.
    return f"tagway:answers-closed:{workspace}:{hashlib.blake2b(person.bytes, digest_size=16).hexdigest()}"


def _key(name: str) -> str:
    return f"tagway:answer:{name}"
