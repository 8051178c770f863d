"""Subscriptions to one person: how they stand, and what to recommend to them."""

import asyncio
from typing import Any

import pytest

from domain.consent import Purpose, State
from domain.key import Scope
from resolvers.node import to_global
from stores.news import News, news_channel
from tests.fixtures.graphql import Api, eventually
from tests.fixtures.seeds import NOON, Seeds
from tests.fixtures.shopping import Shopping

WATCH = """subscription ($id: String!, $after: String) { profileChanges(profile: {externalId: $id}, after: $after) {
  cursor kind profileId profileVersion changed profile { version traits segments { segment { key } } } } }"""
OWN = "subscription { profileChanges { kind profileId profile { traits } } }"
LISTS = """subscription ($id: ID!, $after: String) {
  recommendationUpdates(profile: {id: $id}, first: 3, after: $after) {
  cursor kind profileVersion recommendations { personalized nodes { item { productId } } } } }"""


async def _raise(seeds: Seeds, **columns: Any) -> None:
    for column, value in columns.items():
        await seeds.set("profile", column, value)


async def test_a_snapshot_then_each_change_with_its_parts(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1", traits={"plan": "free"})
    segment = await seeds.segment("vip")
    story = await api.subscribe(WATCH, id="u-1")
    [first] = await story.next()
    assert (first["kind"], first["profileVersion"], first["changed"]) == ("SNAPSHOT", 1, [])
    assert first["profile"] == {"version": 1, "traits": {"plan": "free"}, "segments": []}
    await _raise(seeds, traits={"plan": {"v": "pro", "t": 2}}, version=2)
    told = await story.next()
    while told[-1]["profileVersion"] == 1:  # the two statements above are two transactions
        told += await story.next()
    assert "traits" in [part for each in told for part in each["changed"]]
    assert told[-1]["profile"]["traits"] == {"plan": "pro"}
    await seeds.join(profile, segment)
    [joined] = await story.next()
    assert (joined["kind"], joined["changed"]) == ("CHANGED", ["segments"])
    assert joined["profile"]["segments"] == [{"segment": {"key": "vip"}}]
    await seeds.consent(profile, Purpose.ANALYTICS, State.GRANTED)
    assert (await story.next())[0]["changed"] == ["consents"]
    await story.close()


async def test_news_are_told_at_once_and_once_for_each_state(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1")
    story = await api.subscribe(WATCH, id="u-1")
    await story.next()
    await eventually(lambda: seeds.hearers(news_channel(seeds.workspace)))
    await _raise(seeds, version=5)
    await News(api.gateway.resources.redis).publish(seeds.workspace, [profile])
    assert (await story.next())[0]["profileVersion"] == 5
    assert await story.is_silent(1.5)
    await eventually(lambda: _nobody_hears(seeds))


async def _nobody_hears(seeds: Seeds) -> bool:
    return not await seeds.hearers(news_channel(seeds.workspace))


async def test_who_comes_back_is_told_only_of_what_is_newer(api: Api, seeds: Seeds) -> None:
    await seeds.profile(user_id="u-1")
    story = await api.subscribe(WATCH, id="u-1")
    [first] = await story.next()
    await story.close()
    story = await api.subscribe(WATCH, id="u-1", after=first["cursor"])
    await _raise(seeds, version=2)
    [change] = await story.next()
    assert (change["kind"], change["profileVersion"]) == ("CHANGED", 2)
    await story.close()
    await _raise(seeds, version=9)
    story = await api.subscribe(WATCH, id="u-1", after=change["cursor"])
    [missed] = await story.next()
    assert (missed["kind"], missed["profileVersion"]) == ("CHANGED", 9)
    await story.close()
    for strange in ("nonsense", change["cursor"][:-2] + "AA"):
        story = await api.subscribe(WATCH, id="u-1", after=strange)
        assert [each["kind"] for each in await story.next(2)] == ["RESYNC", "SNAPSHOT"]
        await story.close()


async def test_a_stranger_is_waited_for_and_a_merge_starts_over(api: Api, seeds: Seeds) -> None:
    story = await api.subscribe(WATCH, id="u-1")
    [nobody] = await story.next()
    assert (nobody["kind"], nobody["profileId"], nobody["profile"]) == ("SNAPSHOT", None, None)
    loser = await seeds.profile(user_id="u-1")
    [known] = await story.next()
    assert (known["kind"], known["profileId"]) == ("SNAPSHOT", to_global("Profile", loser))
    winner = await seeds.profile(user_id="u-2")
    await seeds.merge(loser, winner)
    resync, snapshot = await story.next(2)
    assert (resync["kind"], snapshot["kind"]) == ("RESYNC", "SNAPSHOT")
    assert snapshot["profileId"] == to_global("Profile", winner)
    await story.close()


async def test_who_is_restricted_or_erased_is_told_of_no_more(api: Api, seeds: Seeds) -> None:
    await seeds.profile(user_id="u-1", traits={"plan": "pro"})
    visitor = api.as_end_user(user_id="u-1")
    stories = [await api.subscribe(WATCH, id="u-1"), await visitor.subscribe(OWN)]
    for story in stories:
        await story.next()
    await _raise(seeds, restricted_at=NOON)
    for story in stories:
        resync, gone = await story.next(2)
        assert (resync["kind"], gone["kind"], gone["profile"], gone["profileId"]) == ("RESYNC", "SNAPSHOT", None, None)
    await _raise(seeds, restricted_at=None)
    for story in stories:
        [back] = await story.next()
        assert (back["kind"], back["profile"]["traits"]) == ("SNAPSHOT", {"plan": "pro"})
    await seeds.connection.execute("DELETE FROM profile WHERE workspace_id = $1", seeds.workspace)
    for story in stories:
        assert (await story.next(2))[1]["profile"] is None
        await story.close()


async def test_what_is_refused_is_not_shown_from_the_next_message_on(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1", traits={"plan": "pro"})
    story = await api.subscribe(WATCH, id="u-1")
    assert (await story.next())[0]["profile"]["traits"] == {"plan": "pro"}
    async with seeds.connection.transaction():
        for purpose in Purpose:
            await seeds.consent(profile, purpose, State.WITHDRAWN)
    [told] = await story.next()
    assert (told["changed"], told["profile"]["traits"]) == (["consents"], {})
    await story.close()


async def test_who_may_watch(api: Api, seeds: Seeds) -> None:
    await seeds.profile(user_id="u-1")
    for scopes, document, variables in (
        ({Scope.SEGMENTS_READ}, WATCH, {"id": "u-1"}),
        ({Scope.PROFILES_READ}, LISTS, {"id": "x"}),
    ):
        story = await api.with_scopes(scopes).subscribe(document, **variables)
        assert (await story.error()).extensions["code"] == "missing_scope"
    story = await api.as_end_user(user_id="u-2").subscribe(WATCH, id="u-1")
    assert (await story.error()).extensions["code"] == "wrong_kind_of_key"
    story = await api.subscribe("subscription { profileChanges { kind } }")
    assert (await story.error()).extensions["code"] == "invalid_request"


async def test_lists_follow_what_a_person_does_and_allows(api: Api, shopping: Shopping) -> None:
    await shopping.crowd()
    assert (await shopping.train()).status == "published"
    person = await shopping.person(State.GRANTED)
    await shopping.does(person, "t1-4")
    story = await api.subscribe(LISTS, id=to_global("Profile", person))
    [first] = await story.next()
    assert (first["kind"], first["recommendations"]["personalized"]) == ("SNAPSHOT", True)
    assert _ids(first)[0].startswith("t1-")
    await shopping.does(person, "t2-4")
    [second] = await story.next()
    assert (second["kind"], second["profileVersion"]) == ("CHANGED", first["profileVersion"] + 1)
    assert any(each.startswith("t2-") for each in _ids(second))
    await shopping.say(person, State.WITHDRAWN)
    [third] = await story.next()
    assert not third["recommendations"]["personalized"]
    await story.close()
    story = await api.subscribe(LISTS, id=to_global("Profile", person), after=third["cursor"])
    await shopping.say(person, State.GRANTED)
    [back] = await story.next()
    assert (back["kind"], back["recommendations"]["personalized"]) == ("CHANGED", True)
    await story.close()


@pytest.mark.parametrize("document", [WATCH, LISTS])
async def test_one_who_reads_slowly_is_told_the_newest_state(api: Api, seeds: Seeds, document: str) -> None:
    profile = await seeds.profile(user_id="u-1")
    story = await api.subscribe(document, id="u-1" if document is WATCH else to_global("Profile", profile))
    await story.next()
    for version in range(2, 6):
        await _raise(seeds, version=version, traits={"plan": {"v": version, "t": version}})
        await News(api.gateway.resources.redis).publish(seeds.workspace, [profile])
        await asyncio.sleep(0.1)
    if document is WATCH:
        told = await story.next()
        while told[-1]["profile"]["version"] < 5:
            told += await story.next()
        assert len(told) <= 4
    await story.close()


def _ids(update: Any) -> list[str]:
    return [node["item"]["productId"] for node in update["recommendations"]["nodes"]]
