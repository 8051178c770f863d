"""Time takes away what the plan says, and no more: under a clock that stands still, on real stores."""

from collections import Counter
from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.alias import Alias
from domain.clock import utc_now
from domain.event import CallType
from domain.topics import EVENTS
from profiles.fading import What
from profiles.sweeper import Sweeper
from stores.eventlog.open import topics
from stores.eventlog.port import Record
from stores.eventlog.postgres import PostgresLog
from stores.plans import add_plan
from stores.sweeps import try_own_part
from tests.fixtures.world import NOON, Sent, World

PLAIN: dict[str, Any] = {"kind": "plain"}
PLAN: dict[str, Any] = {
    "version": 1,
    "retention_days": 100,
    "context": {},
    "fields": {"price": PLAIN, "query": {**PLAIN, "retention_days": 10}},
    "traits": {"plan": {**PLAIN, "retention_days": 30}, "age": PLAIN, "email": {"kind": "email", "retention_days": 50}},
    "events": {
        "ping": {"purposes": ["analytics"], "retention_days": 2},
        "identify": {"purposes": ["analytics"]},
    },
}
ANN = ("user_id:ann",)
GOLD = {"type": "trait", "name": "plan", "op": "==", "value": "gold"}
KEEP = timedelta(days=30)


class Broom:
    """A sweeper over a world, with the places that it tells of what it did."""

    def __init__(self, world: World, log: PostgresLog, **options: Any) -> None:
        self.world = world
        self.forgotten: list[Alias] = []
        self.options = {"at_once": 3, **options}
        self.log = log
        self.workshop = world.workshop()

    def sweeper(self, **options: Any) -> Sweeper:
        """Make a sweeper that knows of nothing before it."""
        return Sweeper(
            self.workshop,
            self.log,
            keep=KEEP,
            keys_of=self.world.keys_of,
            forget=self.forget,
            **self.options,
            **options,
        )

    async def sweep(self, *, looks: bool = False) -> dict[What, int]:
        """Sweep once, with a sweeper of its own, and sum up what it took."""
        sweeper = self.sweeper(looks=looks)
        taken: Counter[What] = Counter()
        async for each in sweeper.sweep():
            taken.update(each)
        return {what: number for what, number in taken.items() if number}

    async def forget(self, workspace: UUID, aliases: Collection[Alias]) -> None:
        assert workspace == self.world.workspace
        self.forgotten.extend(aliases)


@pytest.fixture
async def broom(world: World) -> AsyncIterator[Broom]:
    await plan(world, PLAN)
    log = PostgresLog(world.database)
    await log.ensure_topics(topics(KEEP))
    yield Broom(world, log)
    await log.close()


async def plan(world: World, document: dict[str, Any]) -> None:
    async with world.database.across() as connection:
        await add_plan(connection, world.workspace, document, NOON)


async def test_event_and_field_go_each_at_its_time(world: World, broom: Broom) -> None:
    await world.send(
        Sent(ANN, "view", properties={"price": 3, "query": "lamp"}, message_id="view"),
        Sent(ANN, "ping", message_id="ping"),
        *(Sent(ANN, "view", properties={"query": "x"}, message_id=f"m{number}") for number in range(7)),
    )
    world.clock.advance(days=1.9)
    assert await broom.sweep() == {}
    world.clock.advance(days=0.1)
    assert await broom.sweep() == {What.EVENTS: 1}
    assert await broom.sweep() == {}
    world.clock.advance(days=8)
    assert await broom.sweep() == {What.CUT_EVENTS: 8}
    rows = await world.fetch("SELECT properties FROM event WHERE message_id = 'view'")
    assert [row["properties"] for row in rows] == [{"price": 3}]
    world.clock.advance(days=90)
    taken = await broom.sweep()
    assert taken[What.EVENTS] == 8
    assert await world.fetch("SELECT FROM event") == []


async def test_what_was_built_late_goes_with_the_oldest(world: World, broom: Broom) -> None:
    await world.send(Sent(ANN, message_id="early"))
    world.clock.advance(days=100)
    assert (await broom.sweep())[What.EVENTS] == 1
    await world.send(Sent(("user_id:bob",), message_id="late", received_at=NOON - timedelta(days=1)))
    assert (await broom.sweep())[What.EVENTS] == 1


async def test_another_plan_takes_from_what_was_swept_before(world: World, broom: Broom) -> None:
    await world.send(Sent(ANN, "view", properties={"price": 3}))
    world.clock.advance(days=20)
    assert await broom.sweep() == {}
    fields = {**PLAN["fields"], "price": {**PLAIN, "retention_days": 10}}
    await plan(world, {**PLAN, "fields": fields})
    assert await broom.sweep() == {What.CUT_EVENTS: 1}
    assert [row["properties"] for row in await world.fetch("SELECT properties FROM event")] == [{}]


async def test_trait_that_ends_ends_a_membership(world: World, broom: Broom) -> None:
    await world.save_segment("gold", GOLD)
    await world.send(
        Sent(ANN, type=CallType.IDENTIFY, traits={"plan": "gold", "age": 35}, sealed={"traits.email": b"frame"})
    )
    assert len(await world.members("gold")) == 1
    (before,) = await world.fetch("SELECT version FROM profile")
    world.clock.advance(days=29)
    assert await broom.sweep() == {}
    world.clock.advance(days=1)
    assert await broom.sweep(looks=True) == {What.TRAITS: 1, What.CUT_EVENTS: 1}
    assert await broom.sweep() == {What.TRAITS: 1, What.CUT_EVENTS: 1}
    (after,) = await world.fetch("SELECT version, traits, sealed FROM profile")
    assert after["version"] > before["version"]
    assert after["traits"].keys() == {"age"}
    assert await world.members("gold") == set()
    changes = await world.fetch("SELECT kind, cause FROM segment_change ORDER BY id")
    assert [tuple(change) for change in changes][1:] == [("exited", {"retention": ["plan"]})]
    world.clock.advance(days=20)
    assert (await broom.sweep())[What.TRAITS] == 1
    assert [row["sealed"] for row in await world.fetch("SELECT sealed FROM profile")] == [{}]


async def test_builder_goes_on_from_what_a_sweep_left(world: World, broom: Broom) -> None:
    await world.save_segment("gold", GOLD)
    await world.send(Sent(ANN, type=CallType.IDENTIFY, traits={"plan": "gold", "age": 35}))
    world.clock.advance(days=30)
    await broom.sweep()
    await world.send(Sent(ANN, type=CallType.IDENTIFY, at=world.clock(), traits={"age": 36}))
    (row,) = await world.fetch("SELECT traits FROM profile")
    assert {name: stated["v"] for name, stated in row["traits"].items()} == {"age": 36}
    assert await world.members("gold") == set()
    await world.send(Sent(ANN, type=CallType.IDENTIFY, at=world.clock(), traits={"plan": "gold"}))
    assert len(await world.members("gold")) == 1


async def test_what_outlives_its_event_is_kept_until_its_own_time_is_over(world: World, broom: Broom) -> None:
    await plan(world, PLAN | {"events": {"identify": {"purposes": ["analytics"], "retention_days": 2}}})
    said: dict[str, Any] = {"type": CallType.IDENTIFY, "sealed": {"traits.email": b"frame"}}
    await world.send(
        Sent(ANN, traits={"plan": "free", "age": 35}, at=NOON - timedelta(hours=1), **said),
        Sent(ANN, traits={"plan": "gold"}, message_id="newest", **said),
    )
    world.clock.advance(days=2)
    assert (await broom.sweep())[What.EVENTS] == 2
    (kept,) = await world.fetch("SELECT traits, sealed FROM statement")
    assert {name: each["m"] for name, each in kept["traits"].items()} == {"plan": "newest"}, "age goes with its event"
    (profile,) = await world.fetch("SELECT traits, sealed FROM profile")
    assert kept["traits"] == profile["traits"]
    assert kept["sealed"] == profile["sealed"]
    world.clock.advance(days=28)
    await broom.sweep()
    (kept,) = await world.fetch("SELECT traits, sealed FROM statement")
    assert kept["traits"] == {}
    assert kept["sealed"].keys() == {"email"}
    world.clock.advance(days=20)
    await broom.sweep()
    assert await world.fetch("SELECT FROM statement") == []


async def test_of_whom_nothing_is_left_goes_with_the_key_a_day_after_the_name(world: World, broom: Broom) -> None:
    await world.save_segment("nobody", {"type": "not", "child": GOLD})
    await world.send(Sent((*ANN, "anonymous_id:a"), type=CallType.IDENTIFY, traits={"age": 3}))
    await world.send(Sent(("anonymous_id:b",)))
    assert len(await world.members("nobody")) == 2
    world.clock.advance(days=100)
    taken = await broom.sweep()
    assert taken[What.EVENTS] == 2
    assert taken[What.NAMES] == 3
    assert await world.fetch("SELECT FROM alias") == []
    assert len(broom.forgotten) == 3
    assert len(await world.fetch("SELECT FROM subject")) == 2, "an event under way still finds its subject"
    assert What.KEYS not in await broom.sweep()
    world.clock.advance(days=1)
    taken = await broom.sweep()
    assert (taken[What.KEYS], taken[What.PROFILES]) == (2, 2)
    for table in ("subject", "profile", "membership", "leaf_state", "consent", "event"):
        assert await world.fetch(f"SELECT FROM {table}") == [], table
    kinds = [row["kind"] for row in await world.fetch("SELECT kind FROM segment_change ORDER BY id")]
    assert kinds == ["entered"] * 2 + ["exited"] * 2


async def test_who_comes_back_in_between_is_kept_and_begins_anew(world: World, broom: Broom) -> None:
    under_way = await world.batch([Sent(ANN, message_id="first")])
    await world.builder.build([under_way])
    late = await world.batch([Sent(ANN, message_id="late", at=NOON + timedelta(days=100))])
    world.clock.advance(days=100)
    assert (await broom.sweep())[What.NAMES] == 1
    await world.builder.build([late])
    world.clock.advance(days=1)
    await broom.sweep()
    assert [row["message_id"] for row in await world.fetch("SELECT message_id FROM event")] == []
    await world.send(Sent(ANN, message_id="again", at=world.clock()))
    assert await world.profile_of("user_id:ann")


@pytest.mark.parametrize(("state", "honoured"), [("denied", True), ("withdrawn", True), ("granted", False)])
async def test_a_refusal_is_honoured_for_good_and_a_grant_lapses(
    world: World, broom: Broom, state: str, honoured: bool
) -> None:
    await world.send(Sent(ANN))
    (subject,) = await world.fetch("SELECT id FROM subject")
    await world.execute(
        "INSERT INTO consent VALUES ($1, $2, 'analytics', $3, 'banner', $4)",
        world.workspace,
        subject["id"],
        state,
        NOON,
    )
    world.clock.advance(days=100)
    await broom.sweep()
    world.clock.advance(days=1)
    await broom.sweep()
    assert len(await world.fetch("SELECT FROM alias")) == honoured
    assert len(await world.fetch("SELECT FROM subject")) == honoured
    assert len(await world.fetch("SELECT FROM consent")) == honoured


@pytest.mark.parametrize("held", ["restricted_at", "objected_at", "limited_at"])
async def test_who_is_held_back_stays_known_and_who_is_restricted_keeps_everything(
    world: World, broom: Broom, held: str
) -> None:
    await world.send(
        Sent(ANN, type=CallType.IDENTIFY, traits={"plan": "gold"}), *(Sent(ANN, message_id=f"m{n}") for n in range(4))
    )
    await world.execute(f"UPDATE profile SET {held} = $1", NOON)
    for days in (100, 1, 1):
        world.clock.advance(days=days)
        await broom.sweep()
    assert len(await world.fetch("SELECT FROM alias")) == 1
    assert len(await world.fetch("SELECT FROM subject")) == 1
    restricted = held == "restricted_at"
    assert len(await world.fetch("SELECT FROM event")) == (5 if restricted else 0)
    (row,) = await world.fetch("SELECT traits FROM profile")
    assert bool(row["traits"]) == restricted
    await world.execute(f"UPDATE profile SET {held} = NULL")
    world.clock.advance(days=1)
    await broom.sweep()
    assert await world.fetch("SELECT FROM event") == []


async def test_a_sweep_goes_on_where_another_left_off(world: World, broom: Broom) -> None:
    await world.send(*(Sent((f"user_id:u{number}",), "ping", message_id=f"m{number}") for number in range(9)))
    world.clock.advance(days=2)
    sweeper = Sweeper(world.workshop(), broom.log, keep=KEEP, keys_of=world.keys_of, at_once=3)
    steps = sweeper.sweep()
    assert (await anext(steps))[What.EVENTS] == 3
    await steps.aclose()  # type: ignore[attr-defined]  # a generator
    assert await broom.sweep() == {What.EVENTS: 6}


async def test_a_look_changes_nothing(world: World, broom: Broom) -> None:
    await world.send(*(Sent((f"user_id:u{number}",), "ping", message_id=f"m{number}") for number in range(7)))
    world.clock.advance(days=2)
    assert await broom.sweep(looks=True) == {What.EVENTS: 7}
    assert await world.fetch("SELECT FROM sweep") == []
    assert len(await world.fetch("SELECT FROM event")) == 7


async def test_one_sweeps_and_the_others_pass_by(world: World, broom: Broom) -> None:
    await world.send(Sent(ANN, "ping"))
    world.clock.advance(days=2)
    async with world.database.across() as connection, connection.transaction():
        for part in (*(f"events:{days}" for days in (2, 10, 30, 50, 100)), "traits", "statements", "subjects"):
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('sweep:' || $1 || ':' || $2, 0))",
                str(world.workspace),
                part,
            )
        assert await broom.sweep() == {}
    assert await broom.sweep() == {What.EVENTS: 1}


async def test_tables_that_only_grow_are_cut_off(world: World, broom: Broom) -> None:
    await world.save_segment("gold", GOLD)
    await world.send(Sent(ANN, type=CallType.IDENTIFY, traits={"plan": "gold"}), b"no event")
    await world.execute("UPDATE segment_change SET position = 1, written_at = $1", NOON)
    world.clock.advance(days=29)
    assert await broom.sweep() == {}
    world.clock.advance(days=1, seconds=1)
    taken = await broom.sweep()
    assert taken[What.DEAD_LETTERS] == 1
    assert What.CHANGES not in taken, "nobody has published it"
    await world.execute("UPDATE publisher SET published_through = 1")
    assert (await broom.sweep())[What.CHANGES] == 1
    world.clock.advance(days=7)
    assert (await broom.sweep())[What.MESSAGES] == 1


async def test_a_table_is_walked_through_in_steps_and_once_a_day(world: World, broom: Broom) -> None:
    async def see(many: int) -> None:
        await world.execute(
            "INSERT INTO message_seen SELECT $1, gen_random_uuid(), $2 FROM generate_series(1, $3::int)",
            world.workspace,
            NOON - timedelta(days=40),
            many,
        )

    async def messages() -> list[int]:
        return [taken[What.MESSAGES] async for taken in sweeper.sweep() if taken[What.MESSAGES]]

    sweeper = broom.sweeper(pages_at_once=1)
    await see(500)
    steps = await messages()
    assert sum(steps) == 500
    assert len(steps) > 4
    await see(3)
    assert await messages() == []
    world.clock.advance(days=1)
    assert await messages() == [3]


async def test_a_walk_that_another_holds_up_goes_on_where_it_was(world: World, broom: Broom) -> None:
    await world.execute(
        "INSERT INTO message_seen SELECT $1, gen_random_uuid(), $2 FROM generate_series(1, 500)",
        world.workspace,
        NOON - timedelta(days=40),
    )
    sweeper, gone = broom.sweeper(pages_at_once=1), 0
    async for taken in sweeper.sweep():
        gone += taken[What.MESSAGES]
        if gone:
            break
    assert 0 < gone < 500
    async with world.database.across() as connection, connection.transaction():
        assert await try_own_part(connection, None, "message_seen")
        assert [taken async for taken in sweeper.sweep() if taken[What.MESSAGES]] == []
    assert gone + sum([taken[What.MESSAGES] async for taken in sweeper.sweep()]) == 500


async def test_the_log_is_cut_off_where_all_have_read_it(world: World, broom: Broom) -> None:
    await broom.log.append(EVENTS, [Record(uuid4().bytes, b"x") for _ in range(20)])
    world.clock.now = utc_now()
    await broom.sweep()
    world.clock.advance(days=30, seconds=1)
    await broom.sweep()
    assert len(await world.fetch("SELECT FROM log_record")) == 20
    for group, read in (("builders", 100), ("others", 2)):
        await world.execute(
            "INSERT INTO consumer_offset SELECT $1, topic, partition, least(next_offset, $2) FROM log_partition"
            " WHERE topic = $3",
            group,
            read,
            EVENTS,
        )
    await broom.sweep()
    assert [row["offset"] for row in await world.fetch('SELECT "offset" FROM log_record') if row["offset"] < 2] == []
    left = len(await world.fetch("SELECT FROM log_record"))
    assert 0 < left < 20
    await world.execute("UPDATE consumer_offset SET next_offset = 100 WHERE consumer_group = 'others'")
    await broom.sweep()
    assert await world.fetch("SELECT FROM log_record") == []
