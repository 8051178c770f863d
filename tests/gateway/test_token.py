from typing import Any

import pytest

from tests.fixtures.gateway import Gateway


async def ask(gateway: Gateway, body: Any, key: str | None = None) -> tuple[int, Any]:
    authorization = {"Authorization": f"Bearer {key or gateway.tenant.secret_key}"}
    return await gateway.post("/token", body, headers=authorization)


async def viewer(gateway: Gateway, token: str) -> Any:
    _, answer = await gateway.post(
        "/graphql",
        {"query": "{ viewer { endUser } profiles { nodes { id } } }"},
        headers={"Authorization": f"Bearer {token}"},
    )
    return answer


@pytest.mark.parametrize("who", [{"userId": "u-1"}, {"anonymousId": "a-1"}])
async def test_a_server_gets_a_token_that_is_confined_to_one_visitor(gateway: Gateway, who: dict[str, str]) -> None:
    status, answer = await ask(gateway, who)
    assert (status, answer["expiresIn"]) == (200, 3600)
    told = await viewer(gateway, answer["token"])
    assert told["errors"][0]["path"] == ["profiles"]


@pytest.mark.parametrize("who", [{}, {"userId": ""}, {"userId": "u", "anonymousId": "a"}])
async def test_it_speaks_for_exactly_one_visitor(gateway: Gateway, who: dict[str, str]) -> None:
    status, answer = await ask(gateway, who)
    assert (status, answer["code"]) == (400, "invalid_request")


async def test_neither_a_write_key_nor_a_token_may_ask(gateway: Gateway) -> None:
    assert (await ask(gateway, {"userId": "u"}, gateway.tenant.write_key))[0] == 403
    token = (await ask(gateway, {"userId": "u"}))[1]["token"]
    assert (await ask(gateway, {"userId": "other"}, token))[1]["code"] == "wrong_kind_of_key"
