"""New, edited and deleted segments over people who are there already, and who do not hold still."""

import asyncio
import random
from datetime import timedelta

from profiles.segments.reading import MAX_N
from tests.fixtures.world import NOON, Sent, World
from tests.patience import AT_ALL

TWICE = {"type": "count", "event": "view", "op": ">=", "n": 2, "window": "2h"}
THRICE = {**TWICE, "n": 3}
NEVER = {"type": "count", "event": "view", "op": "<", "n": 1, "window": "2h"}


async def status(world: World, key: str) -> str:
    rows = await world.fetch("SELECT status FROM segment WHERE key = $1", key)
    return rows[0]["status"] if rows else "gone"


async def test_a_new_segment_knows_the_past(world: World) -> None:
    await world.send(
        *(Sent((f"anonymous_id:{number % 7}",), at=NOON - timedelta(hours=number / 7)) for number in range(14))
    )
    await world.save_segment("twice", TWICE)
    expected = {await world.profile_of(f"anonymous_id:{number}") for number in range(7)}
    assert await world.members("twice") == expected
    assert await status(world, "twice") == "live"
    causes = await world.fetch("SELECT DISTINCT cause FROM segment_change")
    assert [row["cause"] for row in causes] == [{"backfill": 1}]
    world.clock.advance(hours=2)
    await world.timers.fire()
    assert not await world.members("twice")


async def test_an_edit_moves_only_who_must_move(world: World) -> None:
    await world.save_segment("fans", TWICE)
    await world.send(*(Sent((f"anonymous_id:{name}",)) for name in "aabbbc"))
    await world.save_segment("fans", THRICE)
    assert await world.members("fans") == {await world.profile_of("anonymous_id:b")}
    changes = await world.fetch("SELECT kind, segment_version FROM segment_change ORDER BY id")
    assert [tuple(change) for change in changes] == [("entered", 1), ("entered", 1), ("exited", 2)]
    assert {row["segment_version"] for row in await world.fetch("SELECT segment_version FROM membership")} == {2}
    assert len(await world.fetch("SELECT DISTINCT leaf FROM leaf_state")) == 1


async def test_the_previous_definition_serves_until_a_profile_is_reached(world: World) -> None:
    await world.save_segment("fans", TWICE)
    await world.send(*(Sent((f"anonymous_id:{number}",)) for number in range(6)))
    segment = await world.save_segment("fans", THRICE, build=False)
    assert await world.backfill.step(world.workspace, segment)
    await world.send(*(Sent((f"anonymous_id:{number}",)) for number in range(6)))
    assert len(await world.members("fans")) == 3
    await world.backfill.finish_all()
    assert not await world.members("fans")


async def test_a_live_definition_that_can_no_longer_be_read_has_failed_and_says_why(world: World) -> None:
    await world.save_segment("twice", TWICE)
    await world.send(Sent(("anonymous_id:a",)), Sent(("anonymous_id:a",)))
    await world.execute('UPDATE segment SET definition = definition || \'{"n": "many"}\'')
    await world.backfill.inspect()
    [row] = await world.fetch("SELECT status, error FROM segment")
    assert row["status"] == "failed"
    assert row["error"].startswith("the definition is not valid: ")
    assert "n" in row["error"]
    world.clock.advance(hours=3)
    await world.timers.fire()
    assert len(await world.members("twice")) == 1
    await world.save_segment("twice", THRICE)
    assert await status(world, "twice") == "live"
    assert not await world.members("twice")


async def test_a_deleted_segment_lets_everybody_go(world: World) -> None:
    await world.save_segment("twice", TWICE)
    await world.send(*(Sent((f"anonymous_id:{number % 5}",)) for number in range(10)))
    await world.delete_segment("twice")
    await world.backfill.finish_all()
    assert await status(world, "twice") == "gone"
    assert not await world.fetch("SELECT FROM leaf_state")
    exits = await world.fetch("SELECT cause FROM segment_change WHERE kind = 'exited'")
    assert [row["cause"] for row in exits] == [{"deleted": True}] * 5
    await world.save_segment("again", TWICE)
    await world.send(Sent(("anonymous_id:0",)))
    assert len(await world.members("again")) == 5
    world.clock.advance(hours=2)
    await world.timers.fire()
    assert not await world.members("again")


async def test_a_definition_that_comes_back_finds_its_timers(world: World) -> None:
    await world.save_segment("fans", TWICE)
    await world.send(Sent(("anonymous_id:a",)), Sent(("anonymous_id:a",)))
    segment = await world.save_segment("fans", THRICE, build=False)
    while await status(world, "fans") == "building":
        assert await world.backfill.step(world.workspace, segment)
    await world.send(Sent(("anonymous_id:a",)))  # the builder now remembers the state that the next step removes
    assert not await world.backfill.step(world.workspace, segment)
    await world.save_segment("fans", TWICE)
    assert len(await world.members("fans")) == 1
    world.clock.advance(hours=2)
    await world.timers.fire()
    assert not await world.members("fans")


async def test_an_edit_of_an_edit_leaves_each_on_what_serves_them(world: World) -> None:
    await world.save_segment("fans", TWICE)
    people = [f"anonymous_id:{number}" for number in range(9)]
    await world.send(*(Sent((person,)) for person in people))
    segment = await world.save_segment("fans", THRICE, build=False)
    assert await world.backfill.step(world.workspace, segment)  # three of them
    await world.save_segment("fans", {**TWICE, "n": 4}, build=False)
    await world.send(*(Sent((person,)) for person in people))  # the second view: six are on the first definition
    assert len(await world.members("fans")) == 6
    await world.send(*(Sent((person,)) for person in people))  # the third view: three are on the second one
    assert len(await world.members("fans")) == 9
    world.clock.advance(hours=2)
    await world.timers.fire()
    assert not await world.members("fans")
    await world.send(*(Sent((person,), at=world.clock()) for person in people for _ in range(4)))
    await world.backfill.finish_all()
    assert len(await world.members("fans")) == 9
    assert {row["segment_version"] for row in await world.fetch("SELECT segment_version FROM membership")} == {3}


async def test_a_failed_build_freezes_nobody(world: World) -> None:
    await world.save_segment("fans", TWICE)
    await world.send(*(Sent((f"anonymous_id:{number}",)) for number in range(6)))
    await world.send(*(Sent((f"anonymous_id:{number}",)) for number in range(6)))
    segment = await world.save_segment("fans", THRICE, build=False)
    assert await world.backfill.step(world.workspace, segment)
    async with world.database.across() as connection:
        await world.backfill._fail(connection, world.workspace, segment, "for a test")
    assert await status(world, "fans") == "failed"
    assert len(await world.members("fans")) == 3
    await world.send(*(Sent((f"anonymous_id:{number}",)) for number in range(7)))
    assert len(await world.members("fans")) == 6
    world.clock.advance(hours=2)
    await world.timers.fire()
    assert not await world.members("fans")


async def test_a_segment_of_a_segment_follows_its_edits(world: World) -> None:
    await world.save_segment("fans", TWICE)
    await world.save_segment("others", {"type": "not", "child": {"type": "segment", "key": "fans"}})
    await world.send(*(Sent((f"anonymous_id:{name}",)) for name in "aabbbc"))
    both = {await world.profile_of(f"anonymous_id:{name}") for name in "ac"}
    assert await world.members("others") == {await world.profile_of("anonymous_id:c")}
    await world.save_segment("fans", THRICE)
    assert await world.members("others") == both
    world.clock.advance(hours=2)
    await world.timers.fire()
    assert len(await world.members("others")) == 3


async def test_a_definition_that_cannot_be_read_fails_alone(world: World) -> None:
    await world.save_segment("broken", {**TWICE, "n": MAX_N + 1})
    assert await status(world, "broken") == "failed"
    await world.send(Sent(("anonymous_id:a",)))


async def test_live_traffic_during_builds_loses_nobody(world: World) -> None:
    chance = random.Random(3)
    views: dict[str, int] = {}
    done = asyncio.Event()

    async def traffic(partition: int) -> None:
        while not done.is_set():
            people = [f"anonymous_id:{chance.randrange(60)}" for _ in range(chance.randint(1, 5))]
            for person in people:
                views[person] = views.get(person, 0) + 1
            await world.send(*(Sent((person,)) for person in people), partition=partition)

    async def edits() -> None:
        for number in range(6):
            await world.save_segment("fans", TWICE if number % 2 else NEVER)
            await world.save_segment(f"other{number}", THRICE)
        await world.save_segment("fans", THRICE)
        done.set()

    async with asyncio.timeout(AT_ALL):
        await asyncio.gather(traffic(0), traffic(1), edits())
    expected = {await world.profile_of(person) for person, count in views.items() if count >= 3}
    assert expected
    assert await world.members("fans") == expected
    for number in range(6):
        assert await world.members(f"other{number}") == expected


async def test_people_who_merge_during_a_build_keep_their_past(world: World) -> None:
    await world.send(*(Sent((f"anonymous_id:{number}",)) for number in range(15)))
    await world.send(*(Sent((f"user_id:{number}",)) for number in range(15)))
    segment = await world.save_segment("thrice", THRICE, build=False)
    for _ in range(5):  # half of them, whichever these are
        assert await world.backfill.step(world.workspace, segment)
    await world.send(*(Sent((f"user_id:{number}", f"anonymous_id:{number}")) for number in range(15)))
    await world.backfill.finish_all()
    assert await world.members("thrice") == {await world.profile_of(f"user_id:{number}") for number in range(15)}
