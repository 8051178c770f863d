"""Stock SDKs, taken unchanged from their registries, against a gateway process."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from segment.analytics.client import Client

from domain.event import CallType
from tests.fixtures.clients import node
from tests.fixtures.gateway import GRANTED, Gateway
from tests.patience import AT_ALL

CONTEXT = {"consent": {"categoryPreferences": GRANTED}}
EVERY_TYPE = dict.fromkeys(CallType, 1)


def _send_one_of_each(client: Client) -> None:
    who: dict[str, Any] = {"user_id": "python-user", "anonymous_id": "python-visitor", "context": CONTEXT}
    client.identify(traits={"plan": "gold"}, **who)
    client.track(event="product_view", properties={"product_id": "p1"}, **who)
    client.page(name="Home", **who)
    client.screen(name="Start", **who)
    client.group(group_id="team-1", traits={"plan": "gold"}, **who)
    client.alias(previous_id="python-visitor", user_id="python-user", context=CONTEXT)
    client.shutdown()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
async def test_segment_s_python_sdk(gateway_elsewhere: Gateway, packed: bool) -> None:
    failed: list[Any] = []
    client = Client(
        gateway_elsewhere.tenant.write_key,
        host=gateway_elsewhere.url,
        gzip=packed,
        max_retries=1,
        on_error=lambda error, _batch: failed.append(error),
    )
    await asyncio.to_thread(_send_one_of_each, client)
    assert failed == []
    events = await gateway_elsewhere.logged()
    assert Counter(event.type for event in events) == EVERY_TYPE
    assert len({event.subject for event in events}) == 1


async def test_segment_s_python_sdk_gives_up_at_once_on_a_wrong_key(gateway_elsewhere: Gateway) -> None:
    failed: list[Any] = []
    client = Client(
        "wrong", host=gateway_elsewhere.url, max_retries=5, on_error=lambda error, _batch: failed.append(error)
    )
    await asyncio.to_thread(_send_one_of_each, client)
    assert [(error.status, error.code) for error in failed] == [(401, "unknown_key")]


async def test_segment_s_node_sdk(gateway_elsewhere: Gateway) -> None:
    report = await _report("segment.mjs", gateway_elsewhere.url, gateway_elsewhere.tenant.write_key)
    assert report == {"requests": 2, "errors": []}
    assert Counter(event.type for event in await gateway_elsewhere.logged()) == EVERY_TYPE


async def _report(script: str, *arguments: str) -> Any:
    process = await node(script, *arguments)
    output, _ = await asyncio.wait_for(process.communicate(), AT_ALL)
    assert process.returncode == 0
    return json.loads(output)
