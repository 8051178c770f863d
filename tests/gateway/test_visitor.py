from http.cookies import Morsel
from typing import Any

from tests.fixtures.gateway import Gateway, make_tenant

PAGE = "https://shop.example"
OLD, NEW = "0b8f6a52-1111-4222-8333-444455556666", "0b8f6a52-aaaa-4bbb-8ccc-ddddeeeeffff"


async def ask(
    gateway: Gateway, anonymous_id: str | None, cookie: str | None = None, key: str = ""
) -> tuple[int, Any, Morsel[str] | None]:
    body = {"writeKey": key or gateway.tenant.write_key, "anonymousId": anonymous_id}
    headers = {"Origin": PAGE, "Content-Type": "text/plain"} | ({"Cookie": cookie} if cookie else {})
    async with gateway.http.post(f"{gateway.url}/v1/visitor", json=body, headers=headers) as response:
        if response.status == 200:
            assert response.headers["Access-Control-Allow-Origin"] == PAGE
            assert response.headers["Access-Control-Allow-Credentials"] == "true"
        gateway.http.cookie_jar.clear()
        (kept,) = response.cookies.values() or (None,)
        return response.status, await response.json(), kept


async def test_the_first_id_is_kept_out_of_the_reach_of_scripts(gateway: Gateway) -> None:
    status, answer, kept = await ask(gateway, OLD)
    assert (status, answer) == (200, {"anonymousId": OLD})
    assert kept is not None
    assert (kept.value, kept["httponly"], kept["samesite"], kept["max-age"]) == (OLD, True, "lax", str(400 * 86400))


async def test_an_older_id_wins_and_is_kept_for_longer(gateway: Gateway) -> None:
    _, _, first = await ask(gateway, OLD)
    assert first is not None
    _, answer, kept = await ask(gateway, NEW, f"{first.key}={OLD}")
    assert answer == {"anonymousId": OLD}
    assert kept is not None
    assert kept.value == OLD


async def test_a_cookie_that_is_none_of_ours_counts_for_nothing(gateway: Gateway) -> None:
    _, _, first = await ask(gateway, OLD)
    assert first is not None
    assert (await ask(gateway, NEW, f"{first.key}=<script>"))[1] == {"anonymousId": NEW}


async def test_a_withdrawal_takes_the_cookie_back(gateway: Gateway) -> None:
    _, _, first = await ask(gateway, OLD)
    assert first is not None
    status, answer, kept = await ask(gateway, None, f"{first.key}={OLD}")
    assert (status, answer) == (200, {"anonymousId": None})
    assert kept is not None
    assert (kept.value, kept["max-age"]) == ("", "0")


async def test_strange_ids_keys_and_origins_are_refused(gateway: Gateway) -> None:
    assert (await ask(gateway, "a b; c"))[0] == 400
    assert (await ask(gateway, NEW, key="unknown"))[0] == 401
    elsewhere = await make_tenant(gateway.database_url, "elsewhere", origins=["https://elsewhere.example"])
    assert (await ask(gateway, NEW, key=elsewhere.write_key))[0] == 403
