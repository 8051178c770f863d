"""The live feed of what was collected, over Redis: seen by whoever listens now, kept nowhere."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from domain.event import CallType
from domain.outcome import Outcome
from stores.redis import Redis, asking


class FeedEntry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One collected event without its content. `profile_id` is set for those that were accepted."""

    at: datetime
    message_id: str
    outcome: Outcome
    type: CallType | None = None
    name: str = ""
    reason: str | None = None
    profile_id: UUID | None = None


_encode = msgspec.json.Encoder().encode


def feed_channel(workspace: UUID) -> str:
    """Name the channel on which a workspace's feed is published: JSON lists of `FeedEntry`."""
    return f"tagway:feed:{workspace}"


class Feed:
    """Publishes feeds. Every method raises `StoreUnavailable` when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def heard(self, workspace: UUID) -> bool:
        """Tell whether anyone listens to a workspace's feed."""
        with asking():
            counts = await self._redis.pubsub_numsub(feed_channel(workspace))
        return any(number > 0 for _, number in counts)

    async def publish(self, workspace: UUID, entries: Sequence[FeedEntry]) -> None:
        """Send entries to whoever listens."""
        with asking():
            await self._redis.publish(feed_channel(workspace), _encode(entries))
