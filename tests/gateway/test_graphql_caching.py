"""Entity tags of answers: who holds one is told in a few bytes that it is still true."""

import json
import re
from typing import Any

from domain.clock import utc_now
from gateway.auth import mint_end_user_token
from tests.fixtures.gateway import Gateway
from tests.fixtures.seeds import Seeds

_PERSON = "query ($id: String!) { profile(by: {externalId: $id}) { id version traits } }"


async def _ask(gateway: Gateway, method: str, query: str, token: str | None = None, **headers: str) -> Any:
    headers = {"Authorization": f"Bearer {token or gateway.tenant.secret_key}", **headers}
    variables = {"id": "u-1"}
    url = gateway.url + "/graphql"
    if method == "GET":
        given = {"query": query, "variables": json.dumps(variables)}
        response = await gateway.http.get(url, params=given, headers=headers)
    else:
        response = await gateway.http.post(url, json={"query": query, "variables": variables}, headers=headers)
    await response.read()
    return response


async def test_who_holds_an_answer_is_told_that_it_is_still_true(gateway: Gateway, seeds: Seeds) -> None:
    await seeds.profile(user_id="u-1", traits={"plan": "pro"})
    for method in ("GET", "POST"):
        first = await _ask(gateway, method, _PERSON)
        tag = first.headers["etag"]
        assert first.status == 200
        assert first.headers["cache-control"] == "private, no-cache"
        assert "authorization" in first.headers["vary"]
        again = await _ask(gateway, method, _PERSON, **{"If-None-Match": f'"other", {tag}'})
        assert (again.status, await again.read(), again.headers["etag"]) == (304, b"", tag)
        await seeds.set("profile", "traits", {"plan": {"v": f"free {method}", "t": 2}})
        changed = await _ask(gateway, method, _PERSON, **{"If-None-Match": tag})
        assert changed.status == 200
        assert (await changed.json())["data"]["profile"]["traits"] == {"plan": f"free {method}"}
        assert changed.headers["etag"] != tag
        await seeds.set("profile", "traits", {"plan": {"v": "pro", "t": 3}})


async def test_a_tag_is_of_one_caller(gateway: Gateway, seeds: Seeds) -> None:
    query, tokens = "{ profile { traits } }", []
    workspace = await gateway.resources.workspaces.get(gateway.tenant.workspace)
    for name in ("u-1", "u-2"):
        await seeds.profile(user_id=name, traits={"plan": "pro"})
        tokens.append(mint_end_user_token(workspace, user_id=name, now=utc_now()))
    tags = [(await _ask(gateway, "GET", query, token)).headers["etag"] for token in tokens]
    assert tags[0] != tags[1]
    assert (await _ask(gateway, "GET", query, tokens[1], **{"If-None-Match": tags[0]})).status == 200
    assert (await _ask(gateway, "GET", query, tokens[0], **{"If-None-Match": tags[0]})).status == 304
    assert (await _ask(gateway, "GET", query, "revoked", **{"If-None-Match": tags[0]})).status == 401
    assert (await _ask(gateway, "GET", query, "revoked", **{"If-None-Match": "*"})).status == 401


async def test_other_queries_have_a_tag_when_they_are_asked_by_address(gateway: Gateway, seeds: Seeds) -> None:
    await seeds.segment("vip")
    query = "query ($id: String!) { segments { nodes { key } } segment(key: $id) { key } }"
    tag = (await _ask(gateway, "GET", query)).headers["etag"]
    assert (await _ask(gateway, "GET", query, **{"If-None-Match": tag})).status == 304
    assert (await _ask(gateway, "POST", query, **{"If-None-Match": tag})).status == 304
    await seeds.segment("gold")
    assert (await _ask(gateway, "GET", query, **{"If-None-Match": tag})).status == 200


async def test_what_becomes_of_questions_is_counted(gateway: Gateway, seeds: Seeds) -> None:
    await seeds.profile(user_id="u-1", traits={"plan": "pro"})

    async def counted() -> dict[str, float]:
        text = await (await gateway.http.get(gateway.url + "/metrics")).text()
        found = re.findall(r'^tagway_answers_kept_total{fate="(\w+)"} (\S+)$', text, re.MULTILINE)
        return {fate: float(number) for fate, number in found}

    query = _PERSON.replace("version", "counters")
    before = await counted()
    for changes in (False, False, True):
        if changes:
            await seeds.set("profile", "traits", {"plan": {"v": "free", "t": 2}})
        await _ask(gateway, "POST", query)
    await gateway.http.post(
        gateway.url + "/graphql",
        json={"query": query, "variables": {"id": "nobody"}},
        headers={"Authorization": f"Bearer {gateway.tenant.secret_key}"},
    )
    after = await counted()
    assert {fate: after[fate] - before.get(fate, 0) for fate in after} == dict.fromkeys(
        ("miss", "hit", "stale", "passed"), 1
    )


async def test_errors_and_mutations_have_no_tag(gateway: Gateway) -> None:
    wrong = await _ask(gateway, "GET", "{ nothing }")
    assert "etag" not in wrong.headers
    refused = await _ask(gateway, "GET", "{ profile { id } }", **{"If-None-Match": "*"})
    assert (refused.status, refused.headers["cache-control"]) == (200, "no-store")
    mutation = 'mutation { deleteSegment(input: {key: "x"}) { __typename } }'
    changed = await _ask(gateway, "POST", mutation, **{"If-None-Match": "*"})
    assert (changed.status, "etag" in changed.headers) == (200, False)
    assert (await _ask(gateway, "GET", mutation)).status == 405
    malformed = await gateway.http.get(
        gateway.url + "/graphql?query=%7B+viewer&variables=%7B",
        headers={"Authorization": f"Bearer {gateway.tenant.secret_key}"},
    )
    assert malformed.status == 400
