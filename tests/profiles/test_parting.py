"""A merge that is taken back leaves no trace in what is known of its people."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import Refused
from domain.event import CallType
from privacy.plan import read_plan
from privacy.retention import Retention
from profiles.backfill import Backfill
from profiles.builder import Builder
from profiles.fading import Events, Scene
from profiles.joining import Deed, Outcome, merge
from profiles.parting import unmerge
from stores.sweeps import delete_events, events_after
from tests.fixtures.world import NOON, Sent, World
from tests.patience import AT_ALL
from tests.profiles.crowd import SEGMENTS, crowd

STATE = """
    SELECT profile.id::text AS id, traits, sealed, counters, first_seen_at, last_seen_at, restricted_at, limited_at,
        (SELECT jsonb_object_agg(encode(leaf, 'hex'), stamps) FROM leaf_state WHERE profile_id = profile.id) AS leaves,
        (SELECT jsonb_agg(jsonb_build_array(segment.key, entered_at, expires_at, cause) ORDER BY segment.key)
            FROM membership JOIN segment ON segment.id = segment_id WHERE profile_id = profile.id) AS memberships
    FROM profile WHERE merged_into IS NULL AND workspace_id = $1 ORDER BY profile.id
"""
PLAN = {
    "version": 1,
    "retention_days": 100,
    "fields": {},
    "context": {},
    "traits": {name: {"kind": "plain", "retention_days": 90} for name in ("plan", "age", "city", "email")},
    "events": {"identify": {"purposes": ["analytics"], "retention_days": 1}},
}
SUBJECTS = """
    SELECT message_id, event.subject_id::text AS subject, profile_id::text AS profile
    FROM event JOIN subject ON subject.id = event.subject_id WHERE event.workspace_id = $1
"""


def deed(world: World) -> Deed:
    return Deed("cli", "two people", world.clock())


async def merges(world: World) -> list[int]:
    rows = await world.fetch(
        """
        SELECT id FROM claim WHERE decision = 'merged'
            AND NOT EXISTS (SELECT FROM claim AS later WHERE claim.id = ANY(later.undoes)) AND workspace_id = $1
        ORDER BY id
    """,
        world.workspace,
    )
    return [row["id"] for row in rows]


async def undo(world: World, claim: int) -> Outcome:
    async with world.database.across() as connection:
        return await unmerge(connection, world.workspace, claim, deed(world))


async def join(world: World, one: str, other: str) -> Outcome:
    profiles = (UUID(await world.profile_of(one)), UUID(await world.profile_of(other)))
    async with world.database.across() as connection:
        return await merge(connection, world.workspace, profiles, deed(world))


async def state(world: World) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await world.fetch(STATE, world.workspace)]


async def senders(world: World) -> dict[str, str]:
    """Tell the subject of each message that is still kept."""
    return {row["message_id"]: row["subject"] for row in await world.fetch(SUBJECTS, world.workspace)}


async def known_by_message(world: World, subjects: dict[str, str]) -> dict[str, Any]:
    """Tell what is known of whoever sent each message, when and why they entered segments left out."""
    rows = {row["id"]: row for row in await world.fetch(STATE, world.workspace)}
    owners = await world.fetch(
        "SELECT id::text, profile_id::text FROM subject WHERE workspace_id = $1", world.workspace
    )
    profile_of = dict(tuple(owner) for owner in owners)
    found: dict[str, Any] = {}
    for message, subject in subjects.items():
        row = rows[profile_of[subject]]
        # The end that is noted of a membership may lag behind its leaves, which are compared.
        members = sorted(key.partition("-")[0] for key, *_ in row["memberships"] or [])
        traits = {trait: [stated["v"], stated["m"]] for trait, stated in row["traits"].items()}
        sealed = {trait: [stated["frame"], stated["m"]] for trait, stated in row["sealed"].items()}
        known = [row[each] for each in ("counters", "first_seen_at", "last_seen_at", "leaves")]
        found[message] = [traits, sealed, *known, members]
    return found


async def segments(world: World) -> None:
    for key, each in SEGMENTS.items():
        # A worker sees every workspace, so a key of its own keeps those of two apart.
        await world.save_segment(f"{key}-{world.workspace}", each)


async def two(world: World) -> None:
    """Let a user and a visitor be known, each with traits, counters and segments."""
    await segments(world)
    identify: dict[str, Any] = {"type": CallType.IDENTIFY, "sealed": {"traits.email": b"frame"}}
    await world.send(
        Sent(("user_id:u",), traits={"plan": "free", "age": 40}, at=NOON - timedelta(hours=3), **identify),
        *(Sent(("user_id:u",), at=NOON - timedelta(minutes=minute)) for minute in (5, 10)),
        Sent(("anonymous_id:a",), traits={"plan": "gold"}, at=NOON - timedelta(hours=2), **identify),
        *(Sent(("anonymous_id:a",), at=NOON - timedelta(minutes=minute)) for minute in (1, 2)),
        Sent(("anonymous_id:a",), "cart", at=NOON - timedelta(minutes=1)),
    )


async def test_merge_then_unmerge_is_the_identity(world: World) -> None:
    await two(world)
    user = UUID(await world.profile_of("user_id:u"))
    await world.execute("UPDATE profile SET limited_at = $1, version = version + 1 WHERE id = $2", NOON, user)
    before = await state(world)
    world.clock.advance(seconds=1)
    merged = await join(world, "user_id:u", "anonymous_id:a")
    assert await world.profile_of("anonymous_id:a") == str(merged.profile)
    assert len(await state(world)) == 1
    world.clock.advance(seconds=1)
    parted = await undo(world, *await merges(world))
    assert (parted.profile, parted.other) == (merged.profile, merged.other)
    for now, then in zip(await state(world), before, strict=True):
        for mine, other in zip(now, then, strict=True):
            assert mine == other
    assert len(parted.stale) == 2


async def test_what_only_the_merge_had_ended_goes_on_from_when_it_had_begun(world: World) -> None:
    await two(world)
    before = await state(world)
    assert any(memberships for *_, memberships in before)
    world.clock.advance(minutes=1)
    await world.send(Sent(("user_id:u", "anonymous_id:a"), "unheard", message_id="m"))
    world.clock.advance(minutes=1)
    await undo(world, *await merges(world))
    after = await state(world)
    assert [row[-1] for row in after] == [row[-1] for row in before]
    kinds = await world.fetch("SELECT kind FROM segment_change WHERE profile_id = $1", UUID(before[0][0]))
    assert kinds


async def test_a_merge_that_was_taken_back_is_not_made_again_but_by_request(world: World) -> None:
    both = Sent(("user_id:u", "anonymous_id:a"))
    await world.send(Sent(("user_id:u",)), Sent(("anonymous_id:a",)), both)
    await undo(world, *await merges(world))
    await world.send(both)
    assert await world.profile_of("user_id:u") != await world.profile_of("anonymous_id:a")
    (refused,) = await world.fetch("SELECT reason FROM claim WHERE decision = 'refused'")
    assert refused["reason"] == "kept apart by a request"
    await join(world, "user_id:u", "anonymous_id:a")
    await world.send(both)
    assert await world.profile_of("user_id:u") == await world.profile_of("anonymous_id:a")


async def test_a_request_merges_two_users_and_they_go_on_gathering(world: World) -> None:
    await world.send(Sent(("user_id:u", "email:e")), Sent(("user_id:v",)), Sent(("anonymous_id:a",)))
    await join(world, "user_id:u", "user_id:v")
    await world.send(Sent(("user_id:v", "anonymous_id:a")))
    assert len({await world.profile_of(who) for who in ("user_id:u", "user_id:v", "anonymous_id:a")}) == 1
    with pytest.raises(Refused, match="one person already"):
        await join(world, "user_id:u", "user_id:v")


async def test_what_came_by_the_far_side_goes_with_it(world: World) -> None:
    await world.send(*(Sent((who,)) for who in ("user_id:u", "email:e", "anonymous_id:a", "anonymous_id:b")))
    await world.send(Sent(("user_id:u", "email:e")), Sent(("email:e", "anonymous_id:a")))
    await world.send(Sent(("user_id:u", "anonymous_id:b")))
    first, *_ = await merges(world)
    await undo(world, first)
    user, email = await world.profile_of("user_id:u"), await world.profile_of("email:e")
    assert user != email
    assert await world.profile_of("anonymous_id:a") == email
    assert await world.profile_of("anonymous_id:b") == user
    rows = await world.fetch("SELECT id::text, merged_into::text AS into FROM profile WHERE merged_into IS NOT NULL")
    assert sorted(row["into"] for row in rows) == sorted([user, email])
    for claim in (first, 10_000):
        with pytest.raises(Refused):
            await undo(world, claim)


async def test_events_whose_time_is_over_still_count_for_whose_they_were(world: World) -> None:
    await two(world)
    before = [row[:6] for row in await state(world)]
    await join(world, "user_id:u", "anonymous_id:a")
    async with world.database.across() as connection:
        old = await events_after(connection, world.workspace, (NOON - timedelta(days=1), ""), NOON, 100)
        viewed = [(id_, event) for id_, event in old if event.name == "view"]
        await delete_events(connection, world.workspace, viewed[:2])
        await delete_events(connection, world.workspace, viewed[2:])
    await undo(world, *await merges(world))
    assert len(viewed) == 4
    assert [row[:6] for row in await state(world)] == before


async def test_what_was_asked_of_the_merged_person_holds_for_both(world: World) -> None:
    await two(world)
    merged = await join(world, "user_id:u", "anonymous_id:a")
    await world.execute(
        "UPDATE profile SET restricted_at = $1, version = version + 1 WHERE id = $2", NOON, merged.profile
    )
    await undo(world, *await merges(world))
    assert [row[6] for row in await state(world)] == [NOON, NOON]
    assert not await world.fetch("SELECT FROM membership")


async def test_builders_go_on_while_merges_are_made_and_taken_back(world: World) -> None:
    await segments(world)
    events = crowd(random.Random(3), people=3, count=160)
    batches = [await world.batch(events[start : start + 5], start % 2) for start in range(0, len(events), 5)]

    async def lane(partition: int) -> None:
        builder = Builder(world.workshop())
        for batch in batches:
            if batch.partition == partition:
                await builder.build([batch])

    async def meddle() -> None:
        for _ in range(20):
            for claim in (await merges(world))[:1]:
                await undo(world, claim)
            await asyncio.sleep(0)

    async with asyncio.timeout(AT_ALL), asyncio.TaskGroup() as group:
        for work in (lane(0), lane(1), meddle()):
            group.create_task(work)
    while left := await merges(world):
        await undo(world, left[-1])
    await check_apart(world, events, await senders(world))


async def check_apart(
    world: World, events: Sequence[Sent], subjects: dict[str, str], *, statements_fade: bool = False
) -> None:
    """Compare everybody with one who was never known by more than one identifier."""
    assert len(subjects) == len(events)
    alone = [msgspec.structs.replace(each, who=(f"user_id:{subjects[each.message_id]}",)) for each in events]
    async with another(world) as other:
        await send(other, alone)
        theirs = await senders(other)
        if statements_fade:
            await fade(other)
        assert await known_by_message(world, subjects) == await known_by_message(other, theirs)


async def fade(world: World) -> None:
    """Let the time of all statements be over, but not that of the traits."""
    retention = Retention(read_plan(PLAN))
    async with world.database.across() as connection, connection.transaction():
        scene = Scene(connection, world.workspace, retention, NOON + timedelta(days=2), b"")
        await Events(1, 1_000, last=True).step(scene, Events.start)
    assert not await world.fetch("SELECT FROM event WHERE type = 'identify' AND workspace_id = $1", world.workspace)


async def send(world: World, events: Iterable[Sent]) -> None:
    await world.send(*events, partition=next(PARTITIONS))


@asynccontextmanager
async def another(world: World) -> AsyncIterator[World]:
    """Lend a workspace beside this one, with the same segments, on the same database, under the same clock."""
    other = World(world.database, uuid4())
    other.clock = world.clock
    await world.execute(
        "INSERT INTO workspace (id, name, wrapped_key, created_at) VALUES ($1, 'test', '', $2)", other.workspace, NOON
    )
    other.builder = Builder(world.workshop())
    other.backfill = Backfill(world.workshop())
    await segments(other)
    yield other


PARTITIONS = count(100)
KINDS = ("user_id", "email", "phone", "anonymous_id")
WHO = st.dictionaries(st.sampled_from(KINDS), st.integers(0, 1), min_size=1, max_size=3).map(
    lambda who: tuple(f"{kind}:{who[kind]}" for kind in KINDS if kind in who)
)
SENT = st.builds(
    Sent,
    who=WHO,
    name=st.sampled_from(["view", "cart"]),
    at=st.integers(0, 100).map(lambda minutes: NOON - timedelta(minutes=minutes)),
    received_at=st.just(NOON),
    type=st.sampled_from([CallType.TRACK, CallType.IDENTIFY]),
    traits=st.dictionaries(st.sampled_from(["plan", "city"]), st.sampled_from(["gold", "free"])),
    sealed=st.dictionaries(st.just("traits.email"), st.binary(max_size=1)),
    message_id=st.uuids(version=4).map(str),
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(traffic=st.lists(SENT, min_size=2, max_size=14, unique_by=lambda sent: sent.message_id), seed=st.integers(0, 99))
async def test_whatever_was_merged_parts_as_if_it_had_never_been(world: World, traffic: list[Sent], seed: int) -> None:
    chance = random.Random(seed)
    subjects: dict[str, str] = {}
    fades = chance.random() < 0.7
    async with another(world) as mine:
        for start in range(0, len(traffic), 5):
            await send(mine, traffic[start : start + 5])
            subjects |= await senders(mine)
            if fades and chance.random() < 0.5:
                await fade(mine)
            made = await merges(mine)
            if made and chance.random() < 0.3:
                await undo(mine, chance.choice(made))
        if fades:
            await fade(mine)
        while made := await merges(mine):
            await undo(mine, chance.choice(made))
        await check_apart(mine, traffic, subjects, statements_fade=fades)


async def test_a_trait_that_outlives_its_event_goes_back_to_whoever_stated_it(world: World) -> None:
    await world.send(Sent(("user_id:ann",), type=CallType.IDENTIFY, traits={"plan": "gold"}))
    await world.send(Sent(("anonymous_id:b",), type=CallType.IDENTIFY, traits={"size": "m"}, at=NOON))
    ann, b = await world.profile_of("user_id:ann"), await world.profile_of("anonymous_id:b")
    await world.send(Sent(("user_id:ann", "anonymous_id:b")))
    assert await world.profile_of("anonymous_id:b") == ann
    await world.execute("DELETE FROM event WHERE type = 'identify'")
    [claim] = await world.fetch("SELECT id FROM claim WHERE decision = 'merged'")
    await undo(world, claim["id"])
    rows = await world.fetch("SELECT id::text, traits FROM profile ORDER BY id")
    traits = {row["id"]: {name: each["v"] for name, each in row["traits"].items()} for row in rows}
    assert traits == {ann: {"plan": "gold"}, b: {"size": "m"}}


@pytest.mark.parametrize("merged_first", [True, False])
async def test_of_two_statements_that_outlive_their_events_each_goes_back(world: World, merged_first: bool) -> None:
    await two(world)
    before = await state(world)
    if not merged_first:
        await fade(world)
    await join(world, "user_id:u", "anonymous_id:a")
    if merged_first:
        await fade(world)
    await undo(world, *await merges(world))
    assert await state(world) == before
