"""The Redis client.

`redis.asyncio` is what became of aioredis, which was merged into redis-py and no longer imports on Python 3.11.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import redis.asyncio
import redis.asyncio.connection
import redis.asyncio.retry
import redis.backoff
import redis.exceptions
import structlog

from domain.errors import StoreUnavailable
from stores.reach import unreachable

Redis = redis.asyncio.Redis

_ANSWER_WITHIN = 5.0
_CONNECT_WITHIN = 3.0
_HEALTHY_WITHIN = 2.0

_UNREACHABLE = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError)

_UNWELL: Final = frozenset(
    {
        *("BUSY", "CLUSTERDOWN", "EXECABORT", "LOADING", "MASTERDOWN", "MISCONF"),
        *("NOPERM", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN"),
    }
)
"""The words by which a server that answers says that it can do it only later, or elsewhere."""

# A pipeline puts the command before what the server said of it, and with it whatever was sent.
_CODE: Final = re.compile(r"(?:Command # .* of pipeline caused error: \(['\"])?([A-Z]+)\b", re.DOTALL)

_LOG = structlog.get_logger(__name__)


class _NoSession(redis.exceptions.ConnectionError):
    """The server answers, and refuses what a connection begins with: the URL may name a database that is not there."""


class _Bounded(redis.asyncio.connection.AbstractConnection):
    """A connection that bounds the sending of a command in place.

    Theirs does so by `asyncio.wait_for`, which makes a task per command and, before Python 3.12, swallows a
    cancellation that comes as the sending ends: whoever was to stop would go on.
    """

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        """Begin a session. A server that refuses it is away like any other, and not a fault of each command anew."""
        try:
            await super().on_connect_check_health(check_health)
        except redis.exceptions.ResponseError as error:
            raise _NoSession("the session was refused") from error

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

    async def read_response(self, *arguments: Any, **keywords: Any) -> Any:
        """Read an answer. A server that is a replica now is left: its name may lead to the new primary by the next."""
        try:
            return await super().read_response(*arguments, **keywords)
        except redis.exceptions.ReadOnlyError:
            await self.disconnect(nowait=True)
            raise


@contextmanager
def asking() -> Iterator[None]:
    """Raise `StoreUnavailable` for whatever keeps the server from doing what it is asked inside.

    Nothing that stands in Redis alone is worth failing for: what it refuses by a fault of ours is logged.
    """
    try:
        yield
    except _UNREACHABLE as error:
        raise StoreUnavailable("Redis is not reachable") from error
    except redis.exceptions.RedisError as error:
        code = _code(error)
        if code not in _UNWELL:
            _LOG.error("redis_refused", error=type(error).__name__, code=code)
        raise StoreUnavailable(f"Redis refused: {code or type(error).__name__}") from error


def _code(error: redis.exceptions.RedisError) -> str:
    """Name what the server said by its first word, and none of the others, which may quote what was sent."""
    named = _CODE.match(str(error))
    return error.status_code or (named[1] if named else "")


async def healthy(client: Redis) -> bool:
    """Tell within two seconds whether the server takes what it is given: one that is full or a replica answers too."""
    try:
        with asking():
            async with asyncio.timeout(_HEALTHY_WITHIN):
                await client.set("tagway:healthy", b"", px=1_000)
    except StoreUnavailable:
        return False
    return True


def make_redis(url: str, *, max_connections: int = 64) -> Redis:
    """Return a client on its own pool, which connects when it is first asked: its server may be away until then.

    RESP2, which measured faster than RESP3. Answers are bytes. The caller closes it with `aclose`. Raises
    `StoreUnavailable` for a URL that no connection can be made of, whenever its server comes.
    """
    try:
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
        pool.connection_class(**pool.connection_kwargs)  # which the pool does only when it is first asked
    except (ValueError, TypeError, redis.exceptions.RedisError):
        # Without its cause, which may quote the URL.
        raise StoreUnavailable("the URL of Redis cannot be used: an option in its query is not one") from None
    return Redis.from_pool(pool)


async def prove(client: Redis) -> None:
    """Connect for the first time. Raises `StoreUnavailable` that says why it is refused."""
    try:
        await client.ping()
    except redis.exceptions.AuthenticationError as error:
        raise StoreUnavailable("Redis refuses the user or the password") from error
    except _NoSession as error:
        raise StoreUnavailable("the URL of Redis names a database that is not there or not ours") from error
    except _UNREACHABLE as error:
        raise unreachable("Redis", error) from error
    except redis.exceptions.RedisError as error:
        raise StoreUnavailable("the URL of Redis cannot be used, or Redis does not let us work") from error


async def open_redis(url: str, *, max_connections: int = 64) -> Redis:
    """Return a client as `make_redis` does, its first connection proven. Raises `StoreUnavailable`."""
    client = make_redis(url, max_connections=max_connections)
    try:
        await prove(client)
    except StoreUnavailable:
        await client.aclose()
        raise
    return client
