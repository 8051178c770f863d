"""`tagway keys` as operators run it."""

from uuid import uuid4

from domain.pace import Pace
from tests.fixtures.gateway import Gateway, basic, event, make_tenant
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
        *("keys", "create", "write", *named, "--events-per-second", "2", "--events-at-once", "3"), **known
    )
    assert code == 0, said
    value = printed.strip()
    key = await gateway.resources.authenticator.write_key(value, None)
    assert key.pace == Pace(2, 3)

    body = {"batch": [event(), event(), event()]}
    async with gateway.http.post(
        f"{gateway.url}/v1/batch", json=body, headers={"Authorization": basic(value)}
    ) as taken:
        assert (taken.status, taken.headers["X-RateLimit-Limit"]) == (200, "3")
    body["batch"].append(event())
    status, answer = await gateway.post("/v1/batch", body, key=value)
    assert (status, answer["code"]) == (429, "too_many_events")
    assert "2 events a second and 3 at once" in answer["message"]
    assert (await gateway.post("/v1/batch", body))[0] == 200, "others go at the pace of all"
    _, printed, _ = await tagway("keys", "list", *named, **known)
    [line] = [line for line in printed.splitlines() if str(key.id) in line]
    assert line.endswith(", 2 events/s")

    code, printed, said = await tagway("keys", "pace", str(key.id), *named, **known)
    assert (code, printed) == (0, "as all others\n"), said

    async def is_taken() -> bool:
        return (await gateway.post("/v1/batch", body, key=value))[0] == 200

    await eventually(is_taken)


async def test_a_pace_that_says_nothing_is_refused(gateway: Gateway) -> None:
    known = {"postgres_url": gateway.database_url}
    code, _, said = await tagway("keys", "pace", str(uuid4()), "--events-at-once", "3", **known)
    assert (code, "without --events-per-second" in said) == (1, True)
    code, _, said = await tagway("keys", "pace", str(uuid4()), *(await _workspace(gateway)), **known)
    assert (code, "no such key" in said) == (1, True)
