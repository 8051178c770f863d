import asyncio
import time
from uuid import uuid4

import msgspec
import pytest

from domain.consent import Purpose, State
from domain.outcome import Outcome
from domain.segment import ChangeKind
from resolvers.node import to_global
from stores.changefeed import channel
from stores.feed import FeedEntry, feed_channel
from tests.fixtures.graphql import Api, eventually
from tests.fixtures.seeds import NOON, Seeds, later
from tests.patience import soonest
from tests.resolvers.following import CHANGES, follow, gist, make_segments


async def test_a_snapshot_comes_first_then_what_changes(api: Api, seeds: Seeds) -> None:
    await make_segments(seeds, 3)
    profile, other = await seeds.profile(user_id="u-1"), await seeds.profile(user_id="u-2")
    await seeds.happen(profile, "s0", "s1")
    story, snapshot = await follow(api, profile={"externalId": "u-1"})
    assert gist(snapshot) == [("SNAPSHOT_MEMBER", "s0"), ("SNAPSHOT_MEMBER", "s1"), ("SNAPSHOT_END", None)]
    assert snapshot[0]["cursor"] is None
    assert snapshot[-1]["cursor"]
    await seeds.happen(other, "s0")
    await seeds.happen(profile, "s2")
    await seeds.happen(profile, "s0", kind=ChangeKind.EXITED)
    changes = await story.next(2)
    assert gist(changes) == [("ENTERED", "s2"), ("EXITED", "s0")]
    assert {each["profileId"] for each in changes} == {to_global("Profile", profile)}
    assert changes[0]["cause"] == {"event": "m-1"}
    await story.close()


async def test_segments_are_followed_over_all_people(api: Api, seeds: Seeds) -> None:
    await make_segments(seeds, 2)
    profiles = [await seeds.profile(anonymous_id=f"a-{n}") for n in range(3)]
    for profile in profiles[:2]:
        await seeds.happen(profile, "s0", "s1")
    story, snapshot = await follow(api, keys=["s0"])
    assert {each["profileId"] for each in snapshot[:-1]} == {to_global("Profile", each) for each in profiles[:2]}
    everything, begun = await follow(api)
    assert gist(begun) == [("SNAPSHOT_END", None)]
    await seeds.happen(profiles[2], "s1", "s0")
    assert gist(await story.next()) == [("ENTERED", "s0")]
    assert gist(await everything.next(2)) == [("ENTERED", "s1"), ("ENTERED", "s0")]
    await story.close()
    await everything.close()


async def test_a_snapshot_too_long_says_what_it_leaves_out(
    api: Api, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.live.changes._MOST_MEMBERS", 2)
    await make_segments(seeds, 2)
    for n in range(3):
        await seeds.happen(await seeds.profile(anonymous_id=f"a-{n}"), *(["s0", "s1"] if n < 2 else ["s0"]))
    story, snapshot = await follow(api, keys=["s0", "s1"])
    assert len(snapshot) == 5
    assert snapshot[-1]["cause"] == {"cut": ["s0"]}
    await story.close()


async def test_a_change_not_yet_published_is_told_once(api: Api, seeds: Seeds) -> None:
    await make_segments(seeds, 2)
    profile = await seeds.profile(user_id="u-1")
    await seeds.happen(profile, "s0")
    await seeds.change(profile, "s1")
    await seeds.change(profile, "s0", ChangeKind.EXITED)
    stories = []
    for variables in ({"profile": {"externalId": "u-1"}}, {"keys": ["s0", "s1"]}):
        story, snapshot = await follow(api, **variables)
        assert gist(snapshot) == [("SNAPSHOT_MEMBER", "s0"), ("SNAPSHOT_END", None)], variables
        stories.append(story)
    await seeds.publish()
    for story in stories:
        assert gist(await story.next(2)) == [("ENTERED", "s1"), ("EXITED", "s0")]
        assert await story.is_silent()


async def test_a_visitor_who_becomes_known_is_heard_at_once(api: Api, seeds: Seeds) -> None:
    await make_segments(seeds, 1)

    async def become_known(number: int) -> float:
        story, _ = await follow(api.as_end_user(f"a-{number}"))
        profile = await seeds.visitor(anonymous_id=f"a-{number}")
        began = time.perf_counter()
        await seeds.happen(profile, "s0")
        assert gist(await story.next()) == [("ENTERED", "s0")]
        took = time.perf_counter() - began
        await story.close()
        return took

    assert await soonest(become_known, 1) < 1


async def test_a_visitor_is_heard_from_the_moment_they_are_known(api: Api, seeds: Seeds) -> None:
    await make_segments(seeds, 2)
    story, snapshot = await follow(api.as_end_user("a-1"))
    assert gist(snapshot) == [("SNAPSHOT_END", None)]
    profile = await seeds.visitor(anonymous_id="a-1")
    await seeds.happen(profile, "s0")
    assert gist(await story.next()) == [("ENTERED", "s0")]
    await seeds.happen(profile, "s1")
    assert gist(await story.next()) == [("ENTERED", "s1")]
    await story.close()
    again = await api.as_end_user("a-1").subscribe(CHANGES, after=snapshot[-1]["cursor"])
    assert gist(await again.next(2)) == [("ENTERED", "s0"), ("ENTERED", "s1")]
    await again.close()


async def test_who_turns_out_to_be_someone_known_starts_over(api: Api, seeds: Seeds) -> None:
    await make_segments(seeds, 2)
    story, _ = await follow(api.as_end_user("a-1"))
    profile = await seeds.profile(user_id="u-1")
    await seeds.happen(profile, "s0")
    await seeds.happen(await seeds.profile(anonymous_id="a-2"), "s1")
    await seeds.redis.publish(await channel(seeds.connection), b"[]")
    other, _ = await follow(api, profile={"anonymousId": "a-3"})
    await seeds.subject(profile, anonymous_id="a-3")
    assert gist(await other.until("SNAPSHOT_END")) == [
        ("RESYNC", None),
        ("SNAPSHOT_MEMBER", "s0"),
        ("SNAPSHOT_END", None),
    ]
    await story.close()
    await other.close()


async def test_a_merge_is_followed(api: Api, seeds: Seeds) -> None:
    await make_segments(seeds, 3)
    loser, winner = await seeds.visitor(anonymous_id="a-1"), await seeds.profile(user_id="u-1")
    await seeds.happen(loser, "s0")
    await seeds.happen(winner, "s1")
    visitor, _ = await follow(api.as_end_user("a-1"))
    operator, snapshot = await follow(api, profile={"id": to_global("Profile", loser)})
    await seeds.merge(loser, winner)
    over = [("RESYNC", None), ("SNAPSHOT_MEMBER", "s1"), ("SNAPSHOT_END", None)]
    for story in (visitor, operator):
        assert gist(await story.until("SNAPSHOT_END")) == over
    await seeds.happen(winner, "s2")
    for story in (visitor, operator):
        assert gist(await story.next()) == [("ENTERED", "s2")]
        await story.close()
    again = await api.subscribe(CHANGES, profile={"id": to_global("Profile", loser)}, after=snapshot[-1]["cursor"])
    assert gist(await again.next()) == [("RESYNC", None)]
    await again.close()


async def test_each_payload_loads_anew(api: Api, seeds: Seeds) -> None:
    await make_segments(seeds, 2)
    profile = await seeds.profile(user_id="u-1", traits={"plan": "free"})
    document = """subscription { segmentChanges(profile: {externalId: "u-1"}) {
        kind profile { traits segments { segment { key } } } segment { key size } } }"""
    story = await api.subscribe(document)
    await story.until("SNAPSHOT_END")
    for n, plan in enumerate(("free", "pro")):
        await seeds.set("profile", "traits", {"plan": {"v": plan, "t": 1}})
        await seeds.happen(profile, f"s{n}")
        [payload] = await story.next()
        assert payload["profile"]["traits"] == {"plan": plan}
        assert len(payload["profile"]["segments"]) == n + 1
        assert payload["segment"] == {"key": f"s{n}", "size": 1}
    await story.close()


async def test_who_may_follow_what(api: Api, seeds: Seeds) -> None:
    await make_segments(seeds, 1)
    visitor = api.as_end_user("a-1")
    for caller, variables, code in (
        (visitor, {"keys": ["s0"]}, "wrong_kind_of_key"),
        (visitor, {"profile": {"anonymousId": "a-1"}}, "wrong_kind_of_key"),
        (visitor, {"profile": {"externalId": "u-1"}}, "wrong_kind_of_key"),
        (api.with_scopes([]), {}, "missing_scope"),
        (api, {"keys": []}, "invalid_request"),
        (api, {"keys": [f"s{n}" for n in range(101)]}, "invalid_request"),
    ):
        story = await caller.subscribe(CHANGES, **variables)
        assert (await story.error()).extensions["code"] == code, variables
    feed = await visitor.subscribe("subscription { eventFeed { at } }")
    assert (await feed.error()).extensions["code"] == "wrong_kind_of_key"


async def test_the_feed_shows_events_of_its_workspace(api: Api, seeds: Seeds) -> None:
    story = await api.subscribe("subscription { eventFeed { at messageId type name outcome reason profileId } }")
    first = asyncio.create_task(story.next())
    channel, profile = feed_channel(seeds.workspace), uuid4()
    await eventually(lambda: seeds.hearers(channel))
    entry = FeedEntry(at=NOON, message_id="m-1", outcome=Outcome.ACCEPTED, name="product_view", profile_id=profile)
    await seeds.redis.publish(feed_channel(uuid4()), msgspec.json.encode([entry]))
    await seeds.redis.publish(channel, b"not json")
    await seeds.redis.publish(channel, msgspec.json.encode([entry]))
    assert await first == [
        {
            "at": NOON.isoformat(),
            "messageId": "m-1",
            "type": None,
            "name": "product_view",
            "outcome": "ACCEPTED",
            "reason": None,
            "profileId": to_global("Profile", profile),
        }
    ]
    await story.close()

    async def is_left() -> bool:
        return not await seeds.hearers(channel)

    await eventually(is_left)


async def test_a_visitor_who_refuses_personalisation_is_told_of_nothing_until_they_no_longer_do(
    api: Api, seeds: Seeds
) -> None:
    await make_segments(seeds, 2)
    profile = await seeds.visitor(anonymous_id="a-1")
    await seeds.happen(profile, "s0")
    visitor = api.as_end_user("a-1")
    story = await visitor.subscribe(CHANGES)
    assert gist(await story.until("SNAPSHOT_END")) == [("SNAPSHOT_MEMBER", "s0"), ("SNAPSHOT_END", None)]
    await seeds.set("consent", "state", State.WITHDRAWN)
    hidden = await story.until("SNAPSHOT_END")
    assert gist(hidden) == [("RESYNC", None), ("SNAPSHOT_END", None)]
    await seeds.happen(profile, "s1")
    # The key of an operator still hears of it.
    watched, snapshot = await follow(api, profile={"anonymousId": "a-1"})
    assert len(snapshot) == 3
    late = await visitor.subscribe(CHANGES)
    assert gist(await late.until("SNAPSHOT_END")) == [("SNAPSHOT_END", None)]
    await seeds.set("consent", "state", State.GRANTED)
    for each in (story, late):
        told = await each.until("SNAPSHOT_END")
        assert gist(told)[0] == ("RESYNC", None)
        assert {key for kind, key in gist(told) if kind == "SNAPSHOT_MEMBER"} == {"s0", "s1"}
        await each.close()
    await watched.close()


async def test_a_visitor_who_was_never_asked_is_told_what_their_page_views_were_kept_for(
    api: Api, seeds: Seeds
) -> None:
    await make_segments(seeds, 1)
    profile = await seeds.profile(anonymous_id="a-1")
    await seeds.happen(profile, "s0")
    visitor = api.as_end_user("a-1")
    own = '{ profile { segments { segment { key } } inSegment(key: "s0") } }'
    nothing = {"profile": {"segments": [], "inSegment": False}}
    story = await visitor.subscribe(CHANGES)
    assert gist(await story.until("SNAPSHOT_END")) == [("SNAPSHOT_END", None)]
    assert await visitor.data(own) == nothing
    await seeds.view(profile, [Purpose.ANALYTICS])
    await seeds.happen(profile, "s0", kind=ChangeKind.EXITED)
    await seeds.happen(profile, "s0")
    assert await visitor.data(own) == nothing
    await seeds.view(profile, [Purpose.ANALYTICS, Purpose.PERSONALIZATION], later(1))
    told = await story.until("SNAPSHOT_END")
    assert gist(told) == [("RESYNC", None), ("SNAPSHOT_MEMBER", "s0"), ("SNAPSHOT_END", None)]
    assert await visitor.data(own) == {"profile": {"segments": [{"segment": {"key": "s0"}}], "inSegment": True}}
    await seeds.set("profile", "objected_at", NOON)
    assert gist(await story.until("SNAPSHOT_END")) == [("RESYNC", None), ("SNAPSHOT_END", None)]
    assert await visitor.data(own) == nothing
    await story.close()
