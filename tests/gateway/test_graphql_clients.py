"""Stock GraphQL clients against a running gateway."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from domain.segment import ChangeKind
from tests.fixtures.clients import node
from tests.fixtures.gateway import Gateway
from tests.fixtures.seeds import Seeds
from tests.patience import AT_ALL, soonest

_NUMBER = 30


def _socket_url(gateway: Gateway) -> str:
    return gateway.url.replace("http", "ws", 1) + "/graphql"


@asynccontextmanager
async def _running(script: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await node(script, *arguments)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _output(script: str, *arguments: str) -> Any:
    async with _running(script, *arguments) as process:
        output, _ = await asyncio.wait_for(process.communicate(), AT_ALL)
    assert process.returncode == 0
    return json.loads(output)


@pytest.mark.parametrize("stay", [1, 4, 1_000])
async def test_graphql_ws_hears_everything_once(gateway: Gateway, seeds: Seeds, stay: int) -> None:
    """The client comes back again and again with its cursor while changes are committed and published."""
    for n in range(_NUMBER):
        await seeds.segment(f"s{n}")
    profile = await seeds.profile(user_id="u-1")
    await seeds.happen(profile, "s0")

    async def publish() -> None:
        for n in range(1, _NUMBER):
            await seeds.change(profile, f"s{n}")
            if n % 3 == 0:
                await seeds.publish(silently=n % 2 == 0)
            await asyncio.sleep(0.02)
        await seeds.publish()

    arguments = (_socket_url(gateway), gateway.tenant.secret_key, str(stay), str(_NUMBER))
    async with _running("graphql_ws.mjs", *arguments) as client:
        assert client.stdout
        told = [json.loads(await asyncio.wait_for(client.stdout.readline(), AT_ALL))]
        publishing = asyncio.create_task(publish())
        async with asyncio.timeout(AT_ALL):
            told += [json.loads(line) async for line in client.stdout]
        await publishing
        assert await client.wait() == 0
    if stay > 1:
        assert [each["kind"] for each in told[:2]] == ["SNAPSHOT_MEMBER", "SNAPSHOT_END"]
    entered = [each["segmentKey"] for each in told if each["kind"] == "ENTERED"]
    assert Counter(entered) == Counter(f"s{n}" for n in range(1, _NUMBER))
    assert {each["kind"] for each in told} == {"SNAPSHOT_MEMBER", "SNAPSHOT_END", "ENTERED"}


async def test_graphql_ws_hears_of_a_change_at_once(gateway: Gateway, seeds: Seeds) -> None:
    for number in range(3):
        await seeds.segment(f"s{number}")
    profile = await seeds.profile(user_id="u-1")
    async with _running("graphql_ws.mjs", _socket_url(gateway), gateway.tenant.secret_key, "99", "4") as client:
        lines = client.stdout
        assert lines
        end = json.loads(await asyncio.wait_for(lines.readline(), AT_ALL))
        assert end["kind"] == "SNAPSHOT_END"

        async def hear(number: int) -> float:
            await seeds.happen(profile, f"s{number}", kind=ChangeKind.ENTERED)
            began = time.perf_counter()
            change = json.loads(await asyncio.wait_for(lines.readline(), AT_ALL))
            assert (change["kind"], change["segmentKey"]) == ("ENTERED", f"s{number}")
            return time.perf_counter() - began

        assert await soonest(hear, 1) < 1


async def test_graphql_over_http_is_kept_to_the_letter(gateway: Gateway) -> None:
    report = await _output("graphql_http.mjs", gateway.url + "/graphql", gateway.tenant.secret_key)
    assert report["wrong"] == []
    assert report["audits"] == 61


async def test_apollo_client(gateway: Gateway, seeds: Seeds) -> None:
    """Queries with a persisted document's hash first, an error in the result, and a subscription beside."""
    await seeds.profile(user_id="u-1", traits={"plan": "pro"})
    report = await _output("apollo.mjs", gateway.url + "/graphql", _socket_url(gateway), gateway.tenant.secret_key)
    assert report["profile"]["traits"] == {"plan": "pro"}
    assert report["again"] == report["profile"]
    assert report["code"] == "not_found"
    assert report["change"]["kind"] == "SNAPSHOT"
    assert report["change"]["profile"]["traits"] == {"plan": "pro"}


async def test_graphql_sse(gateway: Gateway) -> None:
    report = await _output("graphql_sse.mjs", gateway.url + "/graphql", gateway.tenant.secret_key)
    assert report["query"]["data"] == {"viewer": {"endUser": False}}
    assert report["subscription"]["data"] == {"segmentChanges": {"kind": "SNAPSHOT_END"}}
    assert report["wrong"]["errors"][0]["extensions"] == {"code": "invalid_request"}
