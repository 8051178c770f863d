"""Calling out on Redis, to whoever listens at this moment."""

from stores.redis import Redis, asking


async def publish(redis: Redis, channel: str, message: bytes) -> None:
    """Send one message. Raises `StoreUnavailable`."""
    with asking():
        await redis.publish(channel, message)
