import asyncio
from collections import Counter

import msgspec
import pytest

from domain.segment import ChangeKind
from resolvers.live.listener import MOST_WAITING, Wanted
from resolvers.node import to_global, uuid_of
from resolvers.subscription import _fingerprint, _Place
from stores.changefeed import channel
from tests.fixtures.graphql import Api, eventually
from tests.fixtures.seeds import NOON, Seeds
from tests.patience import AT_ALL
from tests.resolvers.following import CHANGES, follow, gist, make_segments


async def test_who_comes_back_hears_what_happened_meanwhile(api: Api, seeds: Seeds) -> None:
    keys = await make_segments(seeds, 6)
    profile = await seeds.profile(user_id="u-1")
    story, _ = await follow(api, profile={"externalId": "u-1"})
    await seeds.happen(profile, "s0", "s1", "s2")
    cursor = (await story.next(2))[-1]["cursor"]
    await story.close()
    await seeds.happen(profile, "s3")
    await seeds.change(profile, "s4")
    again = await api.subscribe(CHANGES, profile={"externalId": "u-1"}, after=cursor)
    assert gist(await again.next(2)) == [("ENTERED", "s2"), ("ENTERED", "s3")]
    await seeds.publish()
    await seeds.happen(profile, "s5")
    assert [key for _, key in gist(await again.next(2))] == keys[4:]
    await again.close()


async def test_nothing_is_missed_or_repeated_while_much_is_published(api: Api, seeds: Seeds) -> None:
    """Subscribers come, go and come back with their cursor while changes are committed and published."""
    await make_segments(seeds, 40)
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
        story = await api.subscribe(CHANGES, profile={"externalId": "u-1"}, after=cursor)
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
    await make_segments(seeds, 3)
    profile = await seeds.profile(user_id="u-1")
    story, _ = await follow(api, profile={"externalId": "u-1"})
    await seeds.change(profile, "s0")
    await seeds.publish(silently=True)
    await seeds.happen(profile, "s1")
    assert gist(await story.next(2)) == [("ENTERED", "s0"), ("ENTERED", "s1")]
    await seeds.change(profile, "s2")
    await seeds.publish(silently=True)
    assert gist(await story.next()) == [("ENTERED", "s2")]
    await story.close()


async def test_a_lost_connection_to_redis_loses_nothing(api: Api, seeds: Seeds) -> None:
    await make_segments(seeds, 4)
    profile = await seeds.profile(user_id="u-1")
    story, _ = await follow(api, profile={"externalId": "u-1"})
    await seeds.happen(profile, "s0")
    await seeds.redis.client_kill_filter(_type="pubsub")
    await seeds.happen(profile, "s1")
    assert gist(await story.next(2)) == [("ENTERED", "s0"), ("ENTERED", "s1")]
    heard = await channel(seeds.connection)
    await eventually(lambda: seeds.hearers(heard))
    await seeds.happen(profile, "s2", "s3")
    assert gist(await story.next(2)) == [("ENTERED", "s2"), ("ENTERED", "s3")]
    assert await story.is_silent()


async def test_an_unusable_cursor_starts_the_story_over(
    api: Api, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_segments(seeds, 1)
    profile = await seeds.profile(user_id="u-1")
    await seeds.profile(user_id="u-2")
    await seeds.happen(profile, "s0")
    story, snapshot = await follow(api, profile={"externalId": "u-1"})
    await story.close()
    cursor = snapshot[-1]["cursor"]
    over = [("RESYNC", None), ("SNAPSHOT_MEMBER", "s0"), ("SNAPSHOT_END", None)]
    for variables in (
        {"profile": {"externalId": "u-1"}, "after": "made up"},
        {"keys": ["s0"], "after": cursor},
        {"profile": {"externalId": "u-1"}, "keys": ["s0"], "after": cursor},
    ):
        story = await api.subscribe(CHANGES, **variables)
        assert gist(await story.until("SNAPSHOT_END")) == over, variables
        await story.close()
    monkeypatch.setattr("resolvers.live.changes._RESUMABLE", NOON - NOON)
    story = await api.subscribe(CHANGES, profile={"externalId": "u-1"}, after=cursor)
    assert gist(await story.until("SNAPSHOT_END")) == over
    await story.close()


async def test_a_cursor_from_beyond_the_newest_change_starts_over(api: Api, seeds: Seeds) -> None:
    profile = to_global("Profile", await seeds.profile(user_id="u-1"))
    story, [end] = await follow(api, profile={"id": profile})
    await story.close()
    assert api.caller
    wanted = Wanted(seeds.workspace, uuid_of("Profile", profile))
    sort = f"changes {_fingerprint(wanted)}"
    place = api.caller.cursors.read(sort, end["cursor"], _Place)
    beyond = api.caller.cursors.sign(sort, msgspec.structs.replace(place, position=10**12))
    for after, first in ((end["cursor"], None), (beyond, "RESYNC")):
        story = await api.subscribe(CHANGES, profile={"id": profile}, after=after)
        if first:
            assert gist(await story.next()) == [("RESYNC", None)]
            await story.close()
        else:
            assert await story.is_silent()


async def test_a_slow_subscriber_misses_nothing_of_what_no_longer_waits_for_it(api: Api, seeds: Seeds) -> None:
    """What did not fit in its queue it reads from Postgres, at its own pace; nothing waits in memory for it."""
    await make_segments(seeds, 1)
    profile = await seeds.profile(user_id="u-1")
    story, _ = await follow(api, profile={"externalId": "u-1"})
    hub = api.gateway.resources.graphql._services.hub
    [listener] = hub._listeners[seeds.workspace]
    number = 2 * MOST_WAITING + 100
    await seeds.happen_often(profile, "s0", number)
    quick, _ = await follow(api, profile={"externalId": "u-1"})  # by its answer the hub has handed out all
    assert len(listener._waiting) <= MOST_WAITING
    told = await story.next(number)
    assert Counter(each["segmentVersion"] for each in told) == Counter(range(1, number + 1))
    assert {each["kind"] for each in told} == {"ENTERED"}
    await seeds.happen(profile, "s0", kind=ChangeKind.EXITED)
    assert gist(await story.next()) == [("EXITED", "s0")]
    await story.close()
    await quick.close()


async def test_a_subscriber_who_is_far_behind_starts_over(
    api: Api, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.live.changes._MOST_REPLAYED", 500)
    await make_segments(seeds, 1)
    profile = await seeds.profile(user_id="u-1")
    story, _ = await follow(api, profile={"externalId": "u-1"})
    await seeds.happen_often(profile, "s0", MOST_WAITING + 100)
    quick, _ = await follow(api, profile={"externalId": "u-1"})
    async with asyncio.timeout(AT_ALL):
        while (told := await story.next())[0]["kind"] == "ENTERED":
            pass
    assert gist(told + await story.until("SNAPSHOT_END")) == [("RESYNC", None), ("SNAPSHOT_END", None)]
    await story.close()
    await quick.close()


async def test_a_database_that_was_restored_starts_everyone_over(api: Api, seeds: Seeds) -> None:
    await make_segments(seeds, 1)
    profile = await seeds.profile(user_id="u-1")
    story, _ = await follow(api, profile={"externalId": "u-1"})
    await seeds.happen(profile, "s0")
    assert gist(await story.next(1)) == [("ENTERED", "s0")]
    last = "position = (SELECT last_position FROM publisher)"
    await seeds.connection.execute(f"DELETE FROM segment_change WHERE {last}")
    await seeds.connection.execute("UPDATE publisher SET last_position = last_position - 1")
    assert gist(await story.until("SNAPSHOT_END"))[0] == ("RESYNC", None)
    await story.close()
