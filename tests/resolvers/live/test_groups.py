import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest
from strawberry.types import ExecutionResult

from domain.consent import Purpose, State
from domain.key import Scope
from resolvers.live.groups import Group, Groups, Payload
from tests.fixtures.graphql import Api, Story
from tests.fixtures.seeds import Seeds
from tests.patience import AT_ALL

_CHANGES = """subscription ($keys: [String!], $after: String, $deep: Boolean = true) {
    segmentChanges(segmentKeys: $keys, after: $after) {
        cursor kind profileId profileVersion segmentKey profile @include(if: $deep) { traits } } }"""


def _payload(text: str) -> Payload:
    return Payload.of(ExecutionResult(data={"told": text}, errors=None))


class _Kitchen:
    """Makes payloads, and counts how often it had to."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.open = asyncio.Event()
        self.open.set()

    async def make(self, text: str) -> Payload:
        self.made[text] += 1
        await self.open.wait()
        return _payload(text)


async def test_a_moment_is_made_once() -> None:
    group, kitchen = Group(), _Kitchen()
    kitchen.open.clear()
    waiting = [asyncio.create_task(group.payload(1, lambda: kitchen.make("a"))) for _ in range(20)]
    await asyncio.sleep(0)
    assert group.made(1) is None
    kitchen.open.set()
    told = await asyncio.gather(*waiting)
    assert {id(each) for each in told} == {id(told[0])}
    assert group.made(1) is told[0]
    assert (await group.payload(2, lambda: kitchen.make("b"))).text == '{"data":{"told":"b"}}'
    assert kitchen.made == {"a": 1, "b": 1}


async def test_who_leaves_in_the_middle_of_making_is_replaced_by_one_who_waits() -> None:
    group, kitchen = Group(), _Kitchen()
    kitchen.open.clear()
    waiting = [asyncio.create_task(group.payload(1, lambda: kitchen.make("a"))) for _ in range(20)]
    for leaving in waiting[:2]:
        while not kitchen.made["a"]:
            await asyncio.sleep(0)
        kitchen.made.clear()
        leaving.cancel()
    kitchen.open.set()
    told = await asyncio.wait_for(asyncio.gather(*waiting[2:]), AT_ALL)
    assert {id(each) for each in told} == {id(told[0])}
    assert kitchen.made == {"a": 1}


async def test_who_waits_for_what_cannot_be_made_is_told_why() -> None:
    group, opened = Group(), asyncio.Event()

    async def fail() -> Payload:
        await opened.wait()
        raise ValueError("burnt")

    waiting = [asyncio.create_task(group.payload(1, fail)) for _ in range(3)]
    await asyncio.sleep(0)
    opened.set()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(each) for each in told] == ["burnt"] * 3


async def test_who_comes_late_is_answered_anew() -> None:
    moments = iter((0.0, 0.9, 1.5, 1.6))
    group, kitchen = Group(lambda: next(moments)), _Kitchen()
    for _ in range(4):
        await group.payload(1, lambda: kitchen.make("a"))
    assert kitchen.made == {"a": 2}


async def test_few_moments_are_kept() -> None:
    group, kitchen = Group(), _Kitchen()
    for moment in range(1_000):
        await group.payload(moment, lambda: kitchen.make("a"))
    assert len(group._kept) == 256


async def test_a_group_lasts_as_long_as_its_members() -> None:
    groups = Groups()
    group = groups.join(("document", "key"))
    assert groups.join(("document", "key")) is group
    assert groups.join(("document", "other")) is not group
    assert len(groups) == 1
    del group
    assert len(groups) == 0


def test_what_one_subscriber_alone_is_told_is_added_for_them() -> None:
    shared = _payload("a")
    assert msgspec.json.decode(shared.extended({"cost": 1}).text) == {"data": {"told": "a"}, "extensions": {"cost": 1}}
    assert "cost" not in shared.text


async def _started(api: Api, document: str = _CHANGES, **variables: Any) -> Story:
    story = await api.subscribe(document, **variables)
    async for result in story._stream:
        if result.data["segmentChanges"]["kind"] == "SNAPSHOT_END":
            break
    return story


async def test_one_change_is_one_execution_and_one_encoding_however_many_hear_it(
    api: Api, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seeds.segment("vip")
    profile = await seeds.profile(user_id="u-1", traits={"plan": "pro"})
    stories = [await _started(api.with_scopes(Scope), keys=["vip"]) for _ in range(20)]
    encoded: list[ExecutionResult] = []
    of = Payload.of

    def noted(result: ExecutionResult) -> Payload:
        encoded.append(result)
        return of(result)

    monkeypatch.setattr(Payload, "of", noted)
    api.statements.run.clear()
    await seeds.happen(profile, "vip")
    results = [await asyncio.wait_for(anext(story._stream), AT_ALL) for story in stories]
    assert len({id(each) for each in results}) == 1
    assert len(encoded) == 1
    assert sum("FROM profile" in statement for statement in api.statements.run) == 1
    change = msgspec.json.decode(results[0].text)["data"]["segmentChanges"]
    assert (change["kind"], change["segmentKey"], change["profileVersion"]) == ("ENTERED", "vip", 1)
    assert change["profile"] == {"traits": {"plan": "pro"}}
    for story in stories:
        await story.close()


async def test_two_groups_never_share(api: Api, seeds: Seeds) -> None:
    """Other scopes, another visitor, another document, another variable below the root: each its own payload."""
    await seeds.segment("vip")
    profile = await seeds.profile(user_id="u-1", traits={"plan": "pro"})
    await seeds.consent(profile, Purpose.PERSONALIZATION, State.GRANTED)
    narrow = {Scope.SEGMENTS_READ, Scope.COUNTS_EXACT}
    everyone = [
        await _started(api, keys=["vip"]),
        await _started(api.with_scopes(narrow), keys=["vip"]),
        await _started(api, keys=["vip"], deep=False),
        await _started(api, _CHANGES.replace("cursor kind", "kind"), keys=["vip"]),
        await _started(api.as_end_user(user_id="u-1")),
        await _started(api.as_end_user(user_id="u-1", anonymous_id="a-1")),
    ]
    await seeds.happen(profile, "vip")
    results = [await asyncio.wait_for(anext(story._stream), AT_ALL) for story in everyone]
    assert len({id(each) for each in results}) == len(everyone)
    assert results[0].data["segmentChanges"]["profile"] == {"traits": {"plan": "pro"}}
    assert results[1].data["segmentChanges"]["profile"] is None
    assert results[1].errors[0].extensions == {"code": "missing_scope"}
    assert "profile" not in results[2].data["segmentChanges"]
    for story in everyone:
        await story.close()


async def test_who_resumes_shares_with_those_who_stayed(api: Api, seeds: Seeds) -> None:
    await seeds.segment("vip")
    profiles = [await seeds.profile(user_id=f"u-{number}") for number in range(2)]
    stayed = await _started(api, keys=["vip"])
    await seeds.happen(profiles[0], "vip")
    [change] = await stayed.next()
    resumed = await api.subscribe(_CHANGES, keys=["vip"], after=change["cursor"])
    waiting = asyncio.create_task(anext(resumed._stream))
    await asyncio.sleep(0.1)
    await seeds.happen(profiles[1], "vip")
    assert await asyncio.wait_for(waiting, AT_ALL) is await asyncio.wait_for(anext(stayed._stream), AT_ALL)
    await stayed.close()
    await resumed.close()


async def test_whose_scopes_change_is_told_what_they_may_see_by_then(api: Api, seeds: Seeds) -> None:
    await seeds.segment("vip")
    profiles = [await seeds.profile(user_id=f"u-{number}") for number in range(2)]
    session = api.session()
    stream = await api.gateway.resources.graphql.schema.stream(_CHANGES, {"keys": ["vip"]}, session)
    story = Story(stream)
    await story.until("SNAPSHOT_END")
    other = await _started(api, keys=["vip"])
    session.caller = api.with_scopes({Scope.SEGMENTS_READ, Scope.COUNTS_EXACT}).caller
    await seeds.happen(profiles[0], "vip")
    assert (await story.error()).extensions == {"code": "missing_scope"}
    assert (await other.next())[0]["profile"] is not None
    await story.close()
    await other.close()
