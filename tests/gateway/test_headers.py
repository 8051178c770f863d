"""What browsers and caches are told of every answer."""

from typing import Any

import pytest

from tests.fixtures.gateway import Gateway, basic, event

_NOT_FOUND = "/nothing/here"
_PERSON = {"query": '{ profile(by: {externalId: "u-1"}) { traits } }'}
_STREAMED = {"query": "subscription { segmentChanges { kind } }"}


def _get(gateway: Gateway, path: str, **headers: str) -> Any:
    return gateway.http.get(gateway.url + path.format(key=gateway.tenant.write_key), headers=headers)


def _post(gateway: Gateway, path: str, body: Any, **headers: str) -> Any:
    authorization = {"Authorization": f"Bearer {gateway.tenant.secret_key}"}
    return gateway.http.post(gateway.url + path, json=body, headers={**authorization, **headers})


def _check(response: Any) -> None:
    for name, value in (
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ):
        assert response.headers.getall(name, []) == [value], response.url.path


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/demo", "/console/static/console.js", "/tag.js", "/tag.d.ts", "/tag/{key}.js", "/tag/integrity.json"),
        *("/v1/projects/{key}/settings", "/pixel/v1/track", "/graphql", "/healthz", "/readyz", "/metrics", _NOT_FOUND),
    ],
)
async def test_no_browser_guesses_what_an_answer_is(gateway: Gateway, path: str) -> None:
    async with _get(gateway, path) as response:
        assert response.status in ({404} if path == _NOT_FOUND else {200, 400, 401, 404}), path
        _check(response)
        tag = response.headers.get("ETag")
    if tag:
        async with _get(gateway, path, **{"If-None-Match": tag}) as same:
            assert same.status in {200, 304}
            _check(same)


async def test_answers_to_what_is_posted_say_the_same(gateway: Gateway) -> None:
    async with _post(gateway, "/v1/track", event(), Authorization=basic(gateway.tenant.write_key)) as taken:
        assert taken.status == 200
        _check(taken)
    async with _post(gateway, "/v1/track", event(), Authorization=basic("nobody")) as refused:
        assert refused.status == 401
        _check(refused)
    async with _post(gateway, "/graphql", _STREAMED, Accept="text/event-stream") as streamed:
        assert streamed.headers.getall("Content-Type") == ["text/event-stream"]
        assert streamed.headers.getall("Cache-Control") == ["no-store, no-transform"]
        assert streamed.headers["Access-Control-Allow-Origin"] == "*"
        _check(streamed)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/graphql", _PERSON),
        ("/graphql", {"query": "{"}),
        ("/recommend", {"customer_id": "u-1"}),
        ("/api/personalized-recommendations", {"customer_id": "u-1"}),
        ("/token", {"userId": "u-1"}),
    ],
)
async def test_no_cache_keeps_what_is_known_of_a_person(gateway: Gateway, path: str, body: Any) -> None:
    async with _post(gateway, path, body) as response:
        assert response.headers.getall("Cache-Control", []) == ["no-store"]
        _check(response)


@pytest.mark.parametrize("path", ["/graphql/", "/v1/track/", "/token/", "/readyz/"])
async def test_nobody_is_sent_to_an_address_that_they_have_named_themselves(gateway: Gateway, path: str) -> None:
    async with gateway.http.post(gateway.url + path, json={}, allow_redirects=False) as response:
        assert response.status == 404
        assert "Location" not in response.headers
        assert (await response.json())["code"] == "not_found"
