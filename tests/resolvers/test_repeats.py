import asyncio
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from graphql import GraphQLError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from domain.errors import Refused
from domain.key import Scope
from resolvers.node import to_global
from resolvers.repeats import Repeatable, run_once
from stores.answers import Answers
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import Seeds
from tests.patience import AT_ALL

_SAVE = "mutation ($input: SaveSegmentInput!) { saveSegment(input: $input) { __typename } }"


class _Runs:
    """Stands for a mutation: counts its runs, which end when they may."""

    def __init__(self) -> None:
        self.count = 0
        self.errors: list[GraphQLError] | None = None
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self) -> ExecutionResult:
        self.count += 1
        await self.may_end.wait()
        return ExecutionResult(data={"run": self.count, "who": "canary-7f3a"}, errors=self.errors)


async def _ask(api: Api, seeds: Seeds, run: Any, key: str = "k-1", **variables: Any) -> Any:
    request = Repeatable(_SAVE, None, variables)
    return await run_once(Answers(seeds.redis), api.session(), key, request, run)


async def test_a_repetition_is_answered_the_same_and_not_run(api: Api, seeds: Seeds) -> None:
    run = _Runs()
    first, second = await _ask(api, seeds, run, n=1), await _ask(api, seeds, run, n=1)
    assert run.count == 1
    assert msgspec.json.decode(second.text) == {"data": first.data} == {"data": {"run": 1, "who": "canary-7f3a"}}
    with pytest.raises(Refused, match="another request") as refused:
        await _ask(api, seeds, run, n=2)
    assert refused.value.code == "key_reused"
    assert (await _ask(api, seeds, run, key="k-2", n=2)).data["run"] == 2
    assert (await _ask(api.with_scopes(Scope), seeds, run, n=1)).data["run"] == 3, "another key's answers are its own"
    with pytest.raises(Refused, match="visible"):
        await _ask(api, seeds, run, key="k 1")


async def test_what_is_kept_is_sealed_and_goes_after_a_day(api: Api, seeds: Seeds) -> None:
    await _ask(api, seeds, _Runs(), key="canary-key", n="canary-variable")
    kept = [name async for name in seeds.redis.scan_iter(f"tagway:answer:{seeds.workspace}:*")]
    assert len(kept) == 1
    assert b"canary" not in kept[0]
    assert b"canary" not in (await seeds.redis.get(kept[0]) or b"canary")
    assert 86_000 < await seeds.redis.ttl(kept[0]) <= 86_400


async def test_who_asks_while_the_first_runs_is_told_to_wait(api: Api, seeds: Seeds) -> None:
    run = _Runs()
    run.may_end.clear()
    first = asyncio.create_task(_ask(api, seeds, run))
    async with asyncio.timeout(AT_ALL):
        while not run.count:
            await asyncio.sleep(0.01)
    with pytest.raises(Refused) as refused:
        await _ask(api, seeds, run)
    assert (refused.value.code, refused.value.failure.status) == ("still_running", 409)
    run.may_end.set()
    assert (await first).data["run"] == 1
    assert (await _ask(api, seeds, run)).data["run"] == 1


async def test_what_failed_for_reasons_of_ours_is_run_again(api: Api, seeds: Seeds) -> None:
    run = _Runs()
    run.errors = [GraphQLError("away", extensions={"code": "store_unavailable"})]
    await _ask(api, seeds, run)
    run.errors = [GraphQLError("no", extensions={"code": "missing_scope"})]
    assert (await _ask(api, seeds, run)).data["run"] == 2
    again = await _ask(api, seeds, run)
    assert msgspec.json.decode(again.text)["errors"][0]["extensions"] == {"code": "missing_scope"}
    assert run.count == 2

    async def refused() -> ExecutionResult:
        return PreExecutionError(data=None, errors=[GraphQLError("not valid")])

    async def broken() -> ExecutionResult:
        raise RuntimeError

    await _ask(api, seeds, refused, key="k-2")
    with pytest.raises(RuntimeError):
        await _ask(api, seeds, broken, key="k-2")
    assert (await _ask(api, seeds, run, key="k-2")).data["run"] == 3


async def test_an_answer_that_shows_personal_data_is_not_kept(api: Api, seeds: Seeds) -> None:
    session = api.session()

    async def release() -> ExecutionResult:
        session.released = True
        return ExecutionResult(data={}, errors=None)

    await run_once(Answers(seeds.redis), session, "k-1", Repeatable(_SAVE, None, {}), release)
    assert not [name async for name in seeds.redis.scan_iter(f"tagway:answer:{seeds.workspace}:*")]


async def test_an_answer_goes_with_the_people_it_shows(api: Api, seeds: Seeds) -> None:
    """One who is erased while the mutation runs, or later; and somebody else's answer stays."""
    answers, erased, other = Answers(seeds.redis), uuid4(), uuid4()

    async def ask(key: str, *people: UUID, forget: bool = False) -> None:
        session = api.session()

        async def run() -> ExecutionResult:
            session.people.update(people)
            if forget:
                await answers.forget(seeds.workspace, [erased])
            return ExecutionResult(data={}, errors=None)

        await run_once(answers, session, key, Repeatable(_SAVE, None), run)

    async def kept() -> int:
        return len([name async for name in seeds.redis.scan_iter(f"tagway:answer:{seeds.workspace}:*")])

    await ask("k-1", erased, other)
    await ask("k-2", other)
    await ask("k-3")
    assert await kept() == 3
    assert await answers.forget(seeds.workspace, [erased]) == 1
    assert await kept() == 2
    await ask("k-4", erased, forget=True)
    assert await kept() == 2
    assert not [name async for name in seeds.redis.scan_iter(f"*about:{seeds.workspace}:{erased}")]


async def test_mutations_note_whom_they_show(api: Api, seeds: Seeds) -> None:
    profile, loser = await seeds.profile(user_id="u-1"), await seeds.profile(user_id="u-2")
    session = api.session()
    session.notes_people = True
    merge = """mutation ($a: ID!, $b: ID!) { mergeProfiles(input: {profileId: $a, otherProfileId: $b, into: $a,
        reason: "they are the same person"}) {
        ... on IdentityPayload { profile { traits } } ... on Problem { code } } }"""
    ids = {"a": to_global("Profile", profile), "b": to_global("Profile", loser)}
    result = await api.gateway.resources.graphql.schema.execute(merge, ids, session)
    assert not result.errors
    assert profile in session.people


async def test_a_mutation_over_http_runs_once_for_each_key(api: Api, seeds: Seeds) -> None:
    gateway, definition = api.gateway, {"type": "trait", "name": "plan", "op": "==", "value": "pro"}
    body = {"query": _SAVE.replace("__typename", "... on SegmentPayload { segment { version } }")}
    key = {"Authorization": f"Bearer {gateway.tenant.secret_key}", "Idempotency-Key": str(uuid4())}

    async def save(name: str, **headers: str) -> tuple[int, Any]:
        variables = {"input": {"key": "s", "name": name, "definition": definition}}
        return await gateway.post("/graphql", {**body, "variables": variables}, key=None, headers=key | headers)

    status, first = await save("a")
    assert (status, first["data"]["saveSegment"]["segment"]["version"]) == (200, 1)
    await save("b", **{"Idempotency-Key": "other"})
    status, again = await save("a")
    assert (status, again["data"]) == (200, first["data"])
    assert await seeds.value("name") == "b"
    status, refused = await save("c")
    assert (status, refused["errors"][0]["extensions"]["code"]) == (422, "key_reused")


def test_only_mutations_are_run_once() -> None:
    assert Repeatable(_SAVE, None, None).is_mutation
    for other in ("{ viewer { scopes } }", "mutation {", "", "x" * 20_000):
        assert not Repeatable(other, None, None).is_mutation
