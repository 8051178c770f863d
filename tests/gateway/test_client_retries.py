"""Stock SDKs of servers, unchanged, against a gateway that asks for pauses: what they send arrives once each."""

import asyncio
from collections import Counter
from typing import Any

from segment.analytics.client import Client

from domain.event import CallType
from tests.fixtures.clients import node
from tests.fixtures.gateway import GRANTED, Gateway
from tests.fixtures.moody import Moods

CONTEXT = {"consent": {"categoryPreferences": GRANTED}}
EVENTS = 6


async def test_segment_s_python_sdk_sends_again_what_was_refused_for_now(gateway: Gateway, moods: Moods) -> None:
    failed: list[Any] = []
    client = Client(
        gateway.tenant.write_key,
        host=gateway.url,
        upload_size=2,
        on_error=lambda error, _batch: failed.append(error),
    )

    def send() -> None:
        for number in range(EVENTS):
            properties = {"product_id": str(number)}
            client.track(user_id="python-user", event="product_view", properties=properties, context=CONTEXT)
        client.shutdown()

    await asyncio.wait_for(asyncio.to_thread(send), 60)
    assert failed == []
    assert (moods.refused, moods.left) == (3, [])
    logged = await gateway.logged()
    assert Counter(event.properties["product_id"] for event in logged) == {str(n): 1 for n in range(EVENTS)}


async def test_segment_s_node_sdk_sends_again_what_was_refused_for_now(gateway: Gateway, moods: Moods) -> None:
    process = await node("segment.mjs", gateway.url, gateway.tenant.write_key, "10")
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, b'"errors":[]' in output) == (0, True)
    assert (moods.refused, moods.left) == (3, [])
    assert Counter(event.type for event in await gateway.logged()) == dict.fromkeys(CallType, 1)
