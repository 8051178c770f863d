"""That a profile has changed, told over Redis to whoever watches it now; what changed is read elsewhere."""

from collections.abc import Collection
from uuid import UUID

import msgspec

from stores.redis import Redis, asking

_PREFIX = "tagway:profile-news:"
_encode = msgspec.json.Encoder().encode

decode_news = msgspec.json.Decoder(list[UUID]).decode
"""One message of a channel, the ids of profiles; raises `msgspec.DecodeError` or `msgspec.ValidationError`."""


def news_channel(workspace: UUID) -> str:
    """Name the channel of a workspace's news."""
    return f"{_PREFIX}{workspace}"


def workspace_of(channel: str) -> UUID | None:
    """Tell whose news come on a channel; None for a channel of something else."""
    return UUID(channel.removeprefix(_PREFIX)) if channel.startswith(_PREFIX) else None


class News:
    """Publishes news."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def publish(self, workspace: UUID, profiles: Collection[UUID]) -> None:
        """Tell of some profiles. Raises `StoreUnavailable`; whoever watches then sees the change a second later."""
        with asking():
            await self._redis.publish(news_channel(workspace), _encode(list(profiles)))
