import asyncio
from typing import Any

import msgspec

from stores.feed import feed_channel
from stores.redis import open_redis
from tests.fixtures.gateway import Gateway, event
from tests.patience import AT_ALL


async def test_the_feed_shows_what_was_collected_and_nothing_of_the_person(gateway: Gateway) -> None:
    redis = await open_redis(str(gateway.resources.settings.redis_url))
    async with redis.pubsub() as listener:
        await listener.subscribe(feed_channel(gateway.tenant.workspace))
        await gateway.batch(
            event(messageId="m1", userId="canary-user"),
            event("canary@shop.example", {}, messageId="m2"),
            event(type="dance", messageId="m3"),
        )
        entries = await _next(listener)
    await redis.aclose()
    shown = [(entry["messageId"], entry.get("name"), entry["outcome"]) for entry in entries]
    assert shown == [("m1", "product_view", "accepted"), ("m2", None, "dropped_consent"), ("m3", None, "invalid")]
    assert entries[0]["profileId"] == str((await gateway.logged())[0].subject)
    assert "profileId" not in entries[1]
    assert "type: not one of" in entries[2]["reason"]
    assert "canary" not in str(entries)


async def test_nobody_listening_costs_no_publishing(gateway: Gateway, monkeypatch: Any) -> None:
    published = asyncio.Event()

    async def publish(*_arguments: Any) -> None:
        published.set()

    monkeypatch.setattr(gateway.resources.feed._feed, "publish", publish)
    await gateway.batch(event())
    await gateway.batch(event())
    assert not published.is_set()


async def _next(listener: Any) -> list[dict[str, Any]]:
    async with asyncio.timeout(AT_ALL):
        while True:
            message = await listener.get_message(ignore_subscribe_messages=True, timeout=1)
            if message is not None:
                entries: list[dict[str, Any]] = msgspec.json.decode(message["data"])
                return entries
