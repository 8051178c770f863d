"""The Redis client.

`redis.asyncio` is what became of aioredis, which was merged into redis-py and no longer imports on Python 3.11.
"""

import asyncio
from collections.abc import Iterable

import redis.asyncio
import redis.asyncio.connection
import redis.asyncio.retry
import redis.backoff
import redis.exceptions

from domain.errors import StoreUnavailable
from stores.reach import unreachable

Redis = redis.asyncio.Redis

_ANSWER_WITHIN = 5.0
_CONNECT_WITHIN = 3.0

LOST = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError)
"""What the client raises when the server cannot be reached, is lost, or still loads its data."""


class _Bounded(redis.asyncio.connection.AbstractConnection):
    """A connection that bounds the sending of a command in place.

    Theirs does so by `asyncio.wait_for`, which makes a task per command and, before Python 3.12, swallows a
    cancellation that comes as the sending ends: whoever was to stop would go on.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """Send a command that is packed. A connection that did not take it whole is given up."""
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        if check_health:
            await self.check_health()  # type: ignore[no-untyped-call]  # theirs has no annotations
        packed = command.encode() if isinstance(command, str) else command
        try:
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command([packed] if isinstance(packed, bytes) else packed)
        except BaseException as error:
            await self.disconnect(nowait=True)
            if isinstance(error, OSError):  # a timeout is one
                raise redis.exceptions.ConnectionError("the command could not be sent") from error
            raise


async def open_redis(url: str, *, max_connections: int = 64) -> Redis:
    """Return a client on its own pool, its first connection proven. Raises `StoreUnavailable`.

    RESP2, which measured faster than RESP3. Answers are bytes. The caller closes it with `aclose`.
    """
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        protocol=2,
        max_connections=max_connections,
        timeout=_ANSWER_WITHIN,
        socket_timeout=_ANSWER_WITHIN,
        socket_connect_timeout=_CONNECT_WITHIN,
        health_check_interval=30,
        retry=redis.asyncio.retry.Retry(redis.backoff.ExponentialBackoff(cap=0.5, base=0.02), 3),
    )
    pool.connection_class = type("Connection", (_Bounded, pool.connection_class), {})
    client = Redis.from_pool(pool)
    try:
        await client.ping()
    except redis.exceptions.AuthenticationError as error:
        await client.aclose()
        raise StoreUnavailable("Redis refuses the user or the password") from error
    except LOST as error:
        await client.aclose()
        raise unreachable("Redis", error) from error
    except redis.exceptions.RedisError as error:
        await client.aclose()
        raise StoreUnavailable("the URL of Redis cannot be used, or Redis does not let us work") from error
    return client
