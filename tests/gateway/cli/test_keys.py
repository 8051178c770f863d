"""`tagway keys` as operators run it."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from domain.pace import MOST_EVENTS, Pace
from stores.keys import find_key
from tests.fixtures.gateway import Gateway, basic, make_tenant
from tests.fixtures.graphql import eventually
from tests.fixtures.terminal import tagway


async def _workspace(gateway: Gateway) -> tuple[str, str]:
    name = f"shop-{uuid4().hex}"
    await make_tenant(gateway.database_url, name)
    return "--workspace", name


async def test_a_key_has_a_pace_of_its_own_until_it_is_taken_back(gateway: Gateway) -> None:
    known = {"postgres_url": gateway.database_url}
    named = await _workspace(gateway)
    code, printed, said = await tagway(
        *("keys", "create", "write", *named, "--events-per-second", "1", "--events-at-once", "2500"), **known
    )
    assert code == 0, said
    value = printed.strip()
    key = await gateway.resources.authenticator.write_key(value, None)
    assert key.pace == Pace(1, MOST_EVENTS)

    small = {"type": "track", "event": "search", "userId": "ada"}
    body: dict[str, Any] = {"batch": [small] * MOST_EVENTS}
    async with gateway.http.post(
        f"{gateway.url}/v1/batch", json=body, headers={"Authorization": basic(value)}
    ) as taken:
        assert (taken.status, taken.headers["X-RateLimit-Limit"]) == (200, "2500")
    status, answer = await gateway.post("/v1/batch", body, key=value)
    assert (status, answer["code"]) == (429, "too_many_events")
    assert "1 events a second and 2500 at once" in answer["message"]
    assert (await gateway.post("/v1/batch", body))[0] == 200, "others go at the pace of all"
    _, printed, _ = await tagway("keys", "list", *named, **known)
    [line] = [line for line in printed.splitlines() if str(key.id) in line]
    assert line.endswith(", 1 events/s")

    code, printed, said = await tagway("keys", "pace", str(key.id), *named, **known)
    assert (code, printed) == (0, "as all others\n"), said

    async def is_taken() -> bool:
        return (await gateway.post("/v1/batch", body, key=value))[0] == 200

    await eventually(is_taken)


@pytest.mark.parametrize("slow", ["created", "changed", "stored by an earlier version"])
async def test_the_largest_request_fits_however_slow_the_pace(gateway: Gateway, slow: str) -> None:
    known = {"postgres_url": gateway.database_url}
    named = await _workspace(gateway)
    pace = ("--events-per-second", "5") if slow == "created" else ()
    code, printed, said = await tagway("keys", "create", "write", *named, *pace, **known)
    assert code == 0, said
    value = printed.strip()
    key = await gateway.resources.authenticator.write_key(value, None)
    if slow == "changed":
        code, printed, said = await tagway("keys", "pace", str(key.id), *named, "--events-per-second", "5", **known)
        assert (code, printed) == (0, "5 events a second, 2500 at once\n"), said
    elif slow == "stored by an earlier version":
        await gateway.sql("UPDATE api_key SET events_per_second = 5, events_at_once = 50 WHERE id = $1", key.id)
    connection = await asyncpg.connect(gateway.database_url)
    found = await find_key(connection, value)
    await connection.close()
    assert found is not None
    assert found.pace == Pace(5, MOST_EVENTS)


async def test_fewer_at_once_than_the_largest_request_holds_are_refused() -> None:
    code, _, said = await tagway(
        *("keys", "pace", str(uuid4()), "--events-per-second", "5", "--events-at-once", "2499"),
        postgres_url="postgresql://127.0.0.1:1/none",
    )
    assert code == 2
    assert "greater than or equal to 2500" in said


async def test_a_pace_that_says_nothing_is_refused(gateway: Gateway) -> None:
    known = {"postgres_url": gateway.database_url}
    code, _, said = await tagway("keys", "pace", str(uuid4()), "--events-at-once", "3000", **known)
    assert (code, "without --events-per-second" in said) == (1, True)
    code, _, said = await tagway("keys", "pace", str(uuid4()), *(await _workspace(gateway)), **known)
    assert (code, "no such key" in said) == (1, True)
