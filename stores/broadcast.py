"""The one Redis subscription of a process: channels are joined and left while it is read."""

import msgspec
from redis.asyncio.client import PubSub

from domain.errors import StoreUnavailable
from stores.redis import LOST, Redis


class Joined(msgspec.Struct, frozen=True):
    """From here on the channel is heard: at first, and again after the connection was lost, with a gap before."""

    channel: str


class Message(msgspec.Struct, frozen=True):
    """What someone published."""

    channel: str
    body: bytes


class Broadcast:
    """Reads what is published on the joined channels. One task calls `receive`; any may join and leave."""

    def __init__(self, client: Redis) -> None:
        self._pubsub: PubSub = client.pubsub()

    async def join(self, channel: str) -> None:
        """Hear a channel from when `receive` says so. Raises `StoreUnavailable`; it is joined on reconnecting then."""
        try:
            await self._pubsub.subscribe(channel)
        except LOST as error:
            self._pubsub.channels[channel.encode()] = None
            raise StoreUnavailable("Redis is not reachable") from error

    async def leave(self, channel: str) -> None:
        """Hear a channel no more."""
        try:
            await self._pubsub.unsubscribe(channel)
        except LOST:
            self._pubsub.channels.pop(channel.encode(), None)

    async def receive(self, within: float) -> Joined | Message | None:
        """Wait up to `within` seconds for what comes next. Raises `StoreUnavailable` while there is no connection."""
        try:
            heard = await self._pubsub.get_message(timeout=within)
        except LOST as error:
            raise StoreUnavailable("Redis is not reachable") from error
        match heard:
            case {"type": "message", "channel": channel, "data": body}:
                return Message(channel.decode(), body)
            case {"type": "subscribe", "channel": channel}:
                return Joined(channel.decode())
        return None

    async def close(self) -> None:
        """Leave every channel and give the connection back."""
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]  # theirs has no annotations
