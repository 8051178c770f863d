"""The one Redis subscription of a process: channels are joined and left while it is read."""

import asyncio

import msgspec
from redis.asyncio.client import PubSub

from domain.errors import StoreUnavailable
from stores.redis import Redis, asking


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
        self._connecting = asyncio.Lock()

    async def join(self, channel: str) -> None:
        """Hear a channel from when `receive` says so. Raises `StoreUnavailable`; it is joined on reconnecting then."""
        try:
            with asking():
                await self._connect()
                await self._pubsub.subscribe(channel)
        except StoreUnavailable:
            self._pubsub.channels[channel.encode()] = None
            raise

    async def leave(self, channel: str) -> None:
        """Hear a channel no more."""
        try:
            with asking():
                await self._connect()
                await self._pubsub.unsubscribe(channel)
        except StoreUnavailable:
            self._pubsub.channels.pop(channel.encode(), None)

    async def receive(self, within: float) -> Joined | Message | None:
        """Wait up to `within` seconds for what comes next. Raises `StoreUnavailable` while there is no connection."""
        try:
            with asking():
                await self._connect()
                heard = await self._pubsub.get_message(timeout=within)
        except StoreUnavailable:
            if self._pubsub.connection is not None:  # what was refused is asked for again with the next one
                await self._pubsub.connection.disconnect(nowait=True)
            raise
        match heard:
            case {"type": "message", "channel": channel, "data": body}:
                return Message(channel.decode(), body)
            case {"type": "subscribe", "channel": channel}:
                return Joined(channel.decode())
        return None

    async def close(self) -> None:
        """Leave every channel and give the connection back."""
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]  # theirs has no annotations

    async def _connect(self) -> None:
        """Connect for the first time, also where Redis came only later; after that the client reconnects by itself."""
        async with self._connecting:
            if self._pubsub.connection is None:
                await self._pubsub.connect()  # type: ignore[no-untyped-call]  # as above
                if self._pubsub.channels:
                    await self._pubsub.subscribe(*self._pubsub.channels)
