import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from domain.consent import Purpose, State
from domain.outcome import Outcome
from domain.segment import ChangeKind
from resolvers.live.listener import MOST_WAITING, Wanted
from resolvers.node import to_global, uuid_of
from resolvers.subscription import _fingerprint, _Place
from stores.changefeed import channel
from stores.feed import FeedEntry, feed_channel
from tests.fixtures.graphql import NOON, Api, Seeds, Story, eventually, later

_CHANGES = """subscription ($profile: ProfileBy, $keys: [String!], $after: String) {
    segmentChanges(profile: $profile, segmentKeys: $keys, after: $after) {
        cursor kind profileId profileVersion segmentKey segmentVersion cause
    } }"""


def _told(payloads: list[Any]) -> list[tuple[str, str | None]]:
    return [(each["kind"], each["segmentKey"]) for each in payloads]


async def _segments(seeds: Seeds, number: int) -> list[str]:
    for n in range(number):
        await seeds.segment(f"s{n}")
    return [f"s{n}" for n in range(number)]


async def _follow(api: Api, **variables: Any) -> tuple[Story, list[Any]]:
    story = await api.subscribe(_CHANGES, **variables)
    return story, await story.until("SNAPSHOT_END")


async def test_a_snapshot_comes_first_then_what_changes(api: Api, seeds: Seeds) -> None:
    await _segments(seeds, 3)
    profile, other = await seeds.profile(user_id="u-1"), await seeds.profile(user_id="u-2")
    await seeds.happen(profile, "s0", "s1")
    story, snapshot = await _follow(api, profile={"externalId": "u-1"})
    assert _told(snapshot) == [("SNAPSHOT_MEMBER", "s0"), ("SNAPSHOT_MEMBER", "s1"), ("SNAPSHOT_END", None)]
    assert snapshot[0]["cursor"] is None
    assert snapshot[-1]["cursor"]
    await seeds.happen(other, "s0")
    await seeds.happen(profile, "s2")
    await seeds.happen(profile, "s0", kind=ChangeKind.EXITED)
    changes = await story.next(2)
    assert _told(changes) == [("ENTERED", "s2"), ("EXITED", "s0")]
    assert {each["profileId"] for each in changes} == {to_global("Profile", profile)}
    assert changes[0]["cause"] == {"event": "m-1"}
    await story.close()


async def test_segments_are_followed_over_all_people(api: Api, seeds: Seeds) -> None:
    await _segments(seeds, 2)
    profiles = [await seeds.profile(anonymous_id=f"a-{n}") for n in range(3)]
    for profile in profiles[:2]:
        await seeds.happen(profile, "s0", "s1")
    story, snapshot = await _follow(api, keys=["s0"])
    assert {each["profileId"] for each in snapshot[:-1]} == {to_global("Profile", each) for each in profiles[:2]}
    everything, begun = await _follow(api)
    assert _told(begun) == [("SNAPSHOT_END", None)]
    await seeds.happen(profiles[2], "s1", "s0")
    assert _told(await story.next()) == [("ENTERED", "s0")]
    assert _told(await everything.next(2)) == [("ENTERED", "s1"), ("ENTERED", "s0")]
    await story.close()
    await everything.close()


async def test_a_snapshot_too_long_says_what_it_leaves_out(
    api: Api, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.live.changes._MOST_MEMBERS", 2)
    await _segments(seeds, 2)
    for n in range(3):
        await seeds.happen(await seeds.profile(anonymous_id=f"a-{n}"), *(["s0", "s1"] if n < 2 else ["s0"]))
    story, snapshot = await _follow(api, keys=["s0", "s1"])
    assert len(snapshot) == 5
    assert snapshot[-1]["cause"] == {"cut": ["s0"]}
    await story.close()


async def test_a_change_not_yet_published_is_told_once(api: Api, seeds: Seeds) -> None:
    await _segments(seeds, 2)
    profile = await seeds.profile(user_id="u-1")
    await seeds.happen(profile, "s0")
    await seeds.change(profile, "s1")
    await seeds.change(profile, "s0", ChangeKind.EXITED)
    stories = []
    for variables in ({"profile": {"externalId": "u-1"}}, {"keys": ["s0", "s1"]}):
        story, snapshot = await _follow(api, **variables)
        assert _told(snapshot) == [("SNAPSHOT_MEMBER", "s0"), ("SNAPSHOT_END", None)], variables
        stories.append(story)
    await seeds.publish()
    for story in stories:
        assert _told(await story.next(2)) == [("ENTERED", "s1"), ("EXITED", "s0")]
        assert await story.is_silent()


async def test_who_comes_back_hears_what_happened_meanwhile(api: Api, seeds: Seeds) -> None:
    keys = await _segments(seeds, 6)
    profile = await seeds.profile(user_id="u-1")
    story, _ = await _follow(api, profile={"externalId": "u-1"})
    await seeds.happen(profile, "s0", "s1", "s2")
    cursor = (await story.next(2))[-1]["cursor"]
    await story.close()
    await seeds.happen(profile, "s3")
    await seeds.change(profile, "s4")
    again = await api.subscribe(_CHANGES, profile={"externalId": "u-1"}, after=cursor)
    assert _told(await again.next(2)) == [("ENTERED", "s2"), ("ENTERED", "s3")]
    await seeds.publish()
    await seeds.happen(profile, "s5")
    assert [key for _, key in _told(await again.next(2))] == keys[4:]
    await again.close()


async def test_nothing_is_missed_or_repeated_while_much_is_published(api: Api, seeds: Seeds) -> None:
    """Subscribers come, go and come back with their cursor while changes are committed and published."""
    await _segments(seeds, 40)
    profile = await seeds.profile(user_id="u-1")

    everything = {f"s{n}" for n in range(40)}

    async def publish() -> None:
        for n in range(40):
            await seeds.change(profile, f"s{n}")
            if n % 3 == 0:
                await seeds.publish(silently=n % 2 == 0)
            await asyncio.sleep(0.005)
        await seeds.publish()

    publishing = asyncio.create_task(publish())
    heard = await asyncio.gather(*(_come_and_go(api, stay, everything) for stay in (1, 2, 3, 5, 50)))
    await publishing
    for each in heard:
        assert Counter(each) == Counter(everything)


async def _come_and_go(api: Api, stay: int, everything: set[str]) -> list[str]:
    """Leave after every `stay` payloads and come back with the cursor, until everything was heard of."""
    heard: list[str] = []
    cursor = None
    while set(heard) != everything:
        story = await api.subscribe(_CHANGES, profile={"externalId": "u-1"}, after=cursor)
        left = stay
        # A snapshot that is left in the middle would have to be begun again.
        while set(heard) != everything and (left > 0 or cursor is None):
            [payload] = await story.next()
            heard += [payload["segmentKey"]] if payload["segmentKey"] else []
            cursor = payload["cursor"] or cursor
            left -= 1
        await story.close()
    return heard


async def test_what_redis_loses_comes_from_postgres(api: Api, seeds: Seeds) -> None:
    await _segments(seeds, 3)
    profile = await seeds.profile(user_id="u-1")
    story, _ = await _follow(api, profile={"externalId": "u-1"})
    await seeds.change(profile, "s0")
    await seeds.publish(silently=True)
    await seeds.happen(profile, "s1")
    assert _told(await story.next(2)) == [("ENTERED", "s0"), ("ENTERED", "s1")]
    await seeds.change(profile, "s2")
    await seeds.publish(silently=True)
    assert _told(await story.next(within=3)) == [("ENTERED", "s2")]
    await story.close()


async def test_a_lost_connection_to_redis_loses_nothing(api: Api, seeds: Seeds) -> None:
    await _segments(seeds, 4)
    profile = await seeds.profile(user_id="u-1")
    story, _ = await _follow(api, profile={"externalId": "u-1"})
    await seeds.happen(profile, "s0")
    await seeds.redis.client_kill_filter(_type="pubsub")
    await seeds.happen(profile, "s1")
    assert _told(await story.next(2)) == [("ENTERED", "s0"), ("ENTERED", "s1")]
    heard = await channel(seeds.connection)
    await eventually(lambda: seeds.hearers(heard))
    await seeds.happen(profile, "s2", "s3")
    assert _told(await story.next(2)) == [("ENTERED", "s2"), ("ENTERED", "s3")]
    assert await story.is_silent()


async def test_an_unusable_cursor_starts_the_story_over(
    api: Api, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _segments(seeds, 1)
    profile = await seeds.profile(user_id="u-1")
    await seeds.profile(user_id="u-2")
    await seeds.happen(profile, "s0")
    story, snapshot = await _follow(api, profile={"externalId": "u-1"})
    await story.close()
    cursor = snapshot[-1]["cursor"]
    over = [("RESYNC", None), ("SNAPSHOT_MEMBER", "s0"), ("SNAPSHOT_END", None)]
    for variables in (
        {"profile": {"externalId": "u-1"}, "after": "made up"},
        {"keys": ["s0"], "after": cursor},
        {"profile": {"externalId": "u-1"}, "keys": ["s0"], "after": cursor},
    ):
        story = await api.subscribe(_CHANGES, **variables)
        assert _told(await story.until("SNAPSHOT_END")) == over, variables
        await story.close()
    monkeypatch.setattr("resolvers.live.changes._RESUMABLE", NOON - NOON)
    story = await api.subscribe(_CHANGES, profile={"externalId": "u-1"}, after=cursor)
    assert _told(await story.until("SNAPSHOT_END")) == over
    await story.close()


async def test_a_cursor_from_beyond_the_newest_change_starts_over(api: Api, seeds: Seeds) -> None:
    profile = to_global("Profile", await seeds.profile(user_id="u-1"))
    story, [end] = await _follow(api, profile={"id": profile})
    await story.close()
    assert api.caller
    wanted = Wanted(seeds.workspace, uuid_of("Profile", profile))
    sort = f"changes {_fingerprint(wanted)}"
    place = api.caller.cursors.read(sort, end["cursor"], _Place)
    beyond = api.caller.cursors.sign(sort, msgspec.structs.replace(place, position=10**12))
    for after, first in ((end["cursor"], None), (beyond, "RESYNC")):
        story = await api.subscribe(_CHANGES, profile={"id": profile}, after=after)
        if first:
            assert _told(await story.next()) == [("RESYNC", None)]
            await story.close()
        else:
            assert await story.is_silent()


async def test_a_slow_subscriber_is_cut_and_starts_over(api: Api, seeds: Seeds) -> None:
    await _segments(seeds, 1)
    profile = await seeds.profile(user_id="u-1")
    story, _ = await _follow(api, profile={"externalId": "u-1"})
    await seeds.connection.execute(
        """
        INSERT INTO segment_change (workspace_id, profile_id, profile_version, segment_id, segment_key,
            segment_version, kind, at, cause)
        SELECT $1, $2, 1, gen_random_uuid(), 's0', 1, 'entered', now(), '{}' FROM generate_series(1, $3)
        """,
        seeds.workspace,
        profile,
        MOST_WAITING + 100,
    )
    await seeds.publish()
    quick, _ = await _follow(api, profile={"externalId": "u-1"})  # by its answer the hub has handed out all
    async with asyncio.timeout(5):
        while (told := await story.next())[0]["kind"] == "ENTERED":
            pass
    assert _told(told + await story.until("SNAPSHOT_END")) == [("RESYNC", None), ("SNAPSHOT_END", None)]
    await story.close()
    await quick.close()


async def test_a_visitor_is_heard_from_the_moment_they_are_known(api: Api, seeds: Seeds) -> None:
    await _segments(seeds, 2)
    story, snapshot = await _follow(api.as_end_user("a-1"))
    assert _told(snapshot) == [("SNAPSHOT_END", None)]
    profile = await seeds.visitor(anonymous_id="a-1")
    await seeds.happen(profile, "s0")
    entered = await story.next(within=1)
    assert _told(entered) == [("ENTERED", "s0")]
    await seeds.happen(profile, "s1")
    assert _told(await story.next()) == [("ENTERED", "s1")]
    await story.close()
    again = await api.as_end_user("a-1").subscribe(_CHANGES, after=snapshot[-1]["cursor"])
    assert _told(await again.next(2)) == [("ENTERED", "s0"), ("ENTERED", "s1")]
    await again.close()


async def test_who_turns_out_to_be_someone_known_starts_over(api: Api, seeds: Seeds) -> None:
    await _segments(seeds, 2)
    story, _ = await _follow(api.as_end_user("a-1"))
    profile = await seeds.profile(user_id="u-1")
    await seeds.happen(profile, "s0")
    await seeds.happen(await seeds.profile(anonymous_id="a-2"), "s1")
    await seeds.redis.publish(await channel(seeds.connection), b"[]")
    other, _ = await _follow(api, profile={"anonymousId": "a-3"})
    await seeds.subject(profile, anonymous_id="a-3")
    assert _told(await other.until("SNAPSHOT_END")) == [
        ("RESYNC", None),
        ("SNAPSHOT_MEMBER", "s0"),
        ("SNAPSHOT_END", None),
    ]
    await story.close()
    await other.close()


async def test_a_merge_is_followed(api: Api, seeds: Seeds) -> None:
    await _segments(seeds, 3)
    loser, winner = await seeds.visitor(anonymous_id="a-1"), await seeds.profile(user_id="u-1")
    await seeds.happen(loser, "s0")
    await seeds.happen(winner, "s1")
    visitor, _ = await _follow(api.as_end_user("a-1"))
    operator, snapshot = await _follow(api, profile={"id": to_global("Profile", loser)})
    await seeds.merge(loser, winner)
    over = [("RESYNC", None), ("SNAPSHOT_MEMBER", "s1"), ("SNAPSHOT_END", None)]
    for story in (visitor, operator):
        assert _told(await story.until("SNAPSHOT_END")) == over
    await seeds.happen(winner, "s2")
    for story in (visitor, operator):
        assert _told(await story.next()) == [("ENTERED", "s2")]
        await story.close()
    again = await api.subscribe(_CHANGES, profile={"id": to_global("Profile", loser)}, after=snapshot[-1]["cursor"])
    assert _told(await again.next()) == [("RESYNC", None)]
    await again.close()


async def test_each_payload_loads_anew(api: Api, seeds: Seeds) -> None:
    await _segments(seeds, 2)
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
    await _segments(seeds, 1)
    visitor = api.as_end_user("a-1")
    for caller, variables, code in (
        (visitor, {"keys": ["s0"]}, "wrong_kind_of_key"),
        (visitor, {"profile": {"anonymousId": "a-1"}}, "wrong_kind_of_key"),
        (visitor, {"profile": {"externalId": "u-1"}}, "wrong_kind_of_key"),
        (api.with_scopes([]), {}, "missing_scope"),
        (api, {"keys": []}, "invalid_request"),
        (api, {"keys": [f"s{n}" for n in range(101)]}, "invalid_request"),
    ):
        story = await caller.subscribe(_CHANGES, **variables)
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


async def test_a_database_that_was_restored_starts_everyone_over(api: Api, seeds: Seeds) -> None:
    await _segments(seeds, 1)
    profile = await seeds.profile(user_id="u-1")
    story, _ = await _follow(api, profile={"externalId": "u-1"})
    await seeds.happen(profile, "s0")
    assert _told(await story.next(1)) == [("ENTERED", "s0")]
    last = "position = (SELECT last_position FROM publisher)"
    await seeds.connection.execute(f"DELETE FROM segment_change WHERE {last}")
    await seeds.connection.execute("UPDATE publisher SET last_position = last_position - 1")
    assert _told(await story.until("SNAPSHOT_END"))[0] == ("RESYNC", None)
    await story.close()


async def test_a_visitor_who_refuses_personalisation_is_told_of_nothing_until_they_no_longer_do(
    api: Api, seeds: Seeds
) -> None:
    await _segments(seeds, 2)
    profile = await seeds.visitor(anonymous_id="a-1")
    await seeds.happen(profile, "s0")
    visitor = api.as_end_user("a-1")
    story = await visitor.subscribe(_CHANGES)
    assert _told(await story.until("SNAPSHOT_END")) == [("SNAPSHOT_MEMBER", "s0"), ("SNAPSHOT_END", None)]
    await seeds.set("consent", "state", State.WITHDRAWN)
    hidden = await story.until("SNAPSHOT_END")
    assert _told(hidden) == [("RESYNC", None), ("SNAPSHOT_END", None)]
    await seeds.happen(profile, "s1")
    # The key of an operator still hears of it.
    watched, snapshot = await _follow(api, profile={"anonymousId": "a-1"})
    assert len(snapshot) == 3
    late = await visitor.subscribe(_CHANGES)
    assert _told(await late.until("SNAPSHOT_END")) == [("SNAPSHOT_END", None)]
    await seeds.set("consent", "state", State.GRANTED)
    for each in (story, late):
        told = await each.until("SNAPSHOT_END")
        assert _told(told)[0] == ("RESYNC", None)
        assert {key for kind, key in _told(told) if kind == "SNAPSHOT_MEMBER"} == {"s0", "s1"}
        await each.close()
    await watched.close()


async def test_a_visitor_who_was_never_asked_is_told_what_their_page_views_were_kept_for(
    api: Api, seeds: Seeds
) -> None:
    await _segments(seeds, 1)
    profile = await seeds.profile(anonymous_id="a-1")
    await seeds.happen(profile, "s0")
    visitor = api.as_end_user("a-1")
    own = '{ profile { segments { segment { key } } inSegment(key: "s0") } }'
    nothing = {"profile": {"segments": [], "inSegment": False}}
    story = await visitor.subscribe(_CHANGES)
    assert _told(await story.until("SNAPSHOT_END")) == [("SNAPSHOT_END", None)]
    assert await visitor.data(own) == nothing
    await seeds.view(profile, [Purpose.ANALYTICS])
    await seeds.happen(profile, "s0", kind=ChangeKind.EXITED)
    await seeds.happen(profile, "s0")
    assert await visitor.data(own) == nothing
    await seeds.view(profile, [Purpose.ANALYTICS, Purpose.PERSONALIZATION], later(1))
    told = await story.until("SNAPSHOT_END")
    assert _told(told) == [("RESYNC", None), ("SNAPSHOT_MEMBER", "s0"), ("SNAPSHOT_END", None)]
    assert await visitor.data(own) == {"profile": {"segments": [{"segment": {"key": "s0"}}], "inSegment": True}}
    await seeds.set("profile", "objected_at", NOON)
    assert _told(await story.until("SNAPSHOT_END")) == [("RESYNC", None), ("SNAPSHOT_END", None)]
    assert await visitor.data(own) == nothing
    await story.close()
