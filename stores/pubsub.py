"""Calling out on Redis, to whoever listens at this moment."""

from domain.errors import StoreUnavailable
from stores.redis import LOST, Redis


async def publish(redis: Redis, channel: str, message: bytes) -> None:
    """Send one message. Raises `StoreUnavailable`."""
    try:
        await redis.publish(channel, message)
    except LOST as error:
        raise StoreUnavailable("Redis is not reachable") from error
