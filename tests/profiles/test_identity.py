"""Who becomes one person, and that neither order nor batching nor company changes the outcome."""

import asyncio
import random
from collections import Counter, defaultdict
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from domain.alias import AliasKind
from domain.event import CallType
from profiles.builder import Builder
from stores.reads.profiles import identities
from tests.fixtures.world import NOON, Sent, World
from tests.patience import AT_ALL
from tests.profiles.crowd import GOLD, SECOND_EVENT_OF, SEGMENTS, check_equals_single_profiles, crowd


async def claims(world: World) -> list[tuple[str, str | None]]:
    rows = await world.fetch("SELECT decision, reason FROM claim WHERE decision <> 'linked' ORDER BY id")
    return [tuple(row) for row in rows]


async def test_an_anonymous_visitor_becomes_the_user_who_signs_in(world: World) -> None:
    await world.save_segment("twice", SECOND_EVENT_OF)
    await world.save_segment("gold", GOLD)
    await world.send(Sent(("anonymous_id:a",), at=NOON - timedelta(hours=2)))
    await world.send(Sent(("anonymous_id:a",), type=CallType.IDENTIFY, traits={"plan": "gold", "city": "Rome"}))
    await world.send(Sent(("user_id:u",), at=NOON - timedelta(hours=1)))
    visitor, user = await world.profile_of("anonymous_id:a"), await world.profile_of("user_id:u")
    assert visitor != user
    assert await world.members("gold") == {visitor}

    world.clock.advance(minutes=1)
    identify = Sent(("user_id:u", "anonymous_id:a"), type=CallType.IDENTIFY, traits={"plan": "gold"}, message_id="id")
    await world.send(identify)
    assert await world.profile_of("anonymous_id:a") == user
    assert await world.members("gold") == await world.members("twice") == {user}
    loser, winner = await world.fetch("SELECT * FROM profile ORDER BY merged_into IS NULL")
    assert (str(loser["merged_into"]), loser["traits"], loser["counters"]) == (user, {}, {})
    assert winner["counters"] == {"view": 2, "identify": 2}
    assert {name: trait["v"] for name, trait in winner["traits"].items()} == {"plan": "gold", "city": "Rome"}
    assert winner["first_seen_at"] == NOON - timedelta(hours=2)
    changes = await world.fetch("SELECT profile_id, kind, cause FROM segment_change ORDER BY id")
    assert (loser["id"], "exited", {"merge": user}) in [tuple(change) for change in changes]
    assert await claims(world) == [("merged", None)]
    assert not await world.fetch("SELECT FROM leaf_state WHERE profile_id = $1", loser["id"])


async def test_a_shared_device_does_not_make_two_users_one(world: World) -> None:
    await world.send(Sent(("user_id:u", "anonymous_id:a")), Sent(("user_id:v", "anonymous_id:a")))
    await world.send(Sent(("user_id:v", "anonymous_id:a")))
    user, other = await world.profile_of("user_id:u"), await world.profile_of("user_id:v")
    assert user != other
    assert await world.profile_of("anonymous_id:a") == user
    assert await claims(world) == [("refused", "more than 1 of user_id")]


async def test_one_profile_gathers_only_so_many_identifiers(world: World) -> None:
    await world.send(*(Sent(("user_id:u", f"anonymous_id:{number}")) for number in range(30)))
    assert await world.profile_of("anonymous_id:24") == await world.profile_of("user_id:u")
    assert await world.profile_of("anonymous_id:25") == ""


async def test_the_ledger_tells_which_identifiers_were_seen_together_and_by_which_event(world: World) -> None:
    await world.send(Sent(("user_id:u", "email:e", "email:e for Google"), message_id="first"))
    await world.send(Sent(("user_id:u", "email:e"), message_id="again"))
    await world.send(Sent(("anonymous_id:a",)), Sent(("user_id:u", "anonymous_id:a"), message_id="second"))
    rows = await world.fetch("SELECT by_kind, kind, decision, message_id, profile_id FROM claim ORDER BY id")
    assert [tuple(row)[:4] for row in rows] == [
        ("user_id", "email", "linked", "first"),
        ("user_id", "anonymous_id", "merged", "second"),
    ]
    assert str(rows[1]["profile_id"]) == await world.profile_of("user_id:u")
    for statement in ("UPDATE claim SET reason = 'another'", "UPDATE claim SET decision = 'refused'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.execute(statement)


async def test_an_alias_of_two_known_users_is_refused_with_its_reason(world: World) -> None:
    await world.send(Sent(("user_id:u",)), Sent(("user_id:v",)))
    await world.send(Sent(("user_id:u", "user_id:v", "anonymous_id:v"), type=CallType.ALIAS))
    assert await world.profile_of("user_id:u") != await world.profile_of("user_id:v")
    assert await claims(world) == [("refused", "an alias call names two users: a request may merge them")]
    assert await world.profile_of("anonymous_id:v") == await world.profile_of("user_id:u")


async def test_the_workspace_says_which_kind_is_stronger_and_how_many_there_may_be(world: World) -> None:
    rules = {"priority": ["loyalty_id"], "limits": {"email": 1, "device_id": 0}}
    await world.execute("UPDATE workspace SET settings = $1", {"identity": rules})
    await world.send(Sent(("user_id:u",), at=NOON - timedelta(days=1)), Sent(("loyalty_id:l",)))
    await world.send(Sent(("loyalty_id:l", "user_id:u", "email:1")), Sent(("loyalty_id:l", "email:2")))
    card = await world.profile_of("loyalty_id:l")
    assert [str(row["id"]) for row in await world.fetch("SELECT id FROM profile WHERE merged_into IS NULL")] == [card]
    assert await world.profile_of("email:1") == card
    assert await world.profile_of("email:2") == ""
    assert await claims(world) == [("merged", None), ("refused", "more than 1 of email")]


async def test_a_chain_of_claims_in_one_batch_ends_in_one_profile(world: World) -> None:
    for who in ("email:e", "phone:p", "anonymous_id:a"):
        await world.send(Sent((who,)))
    await world.send(Sent(("phone:p", "anonymous_id:a")), Sent(("email:e", "phone:p")), Sent(("user_id:u", "email:e")))
    assert len({await world.profile_of(who) for who in ("user_id:u", "email:e", "phone:p", "anonymous_id:a")}) == 1
    (profile,) = await world.fetch("SELECT counters FROM profile WHERE merged_into IS NULL")
    assert profile["counters"] == {"view": 6}


async def test_spellings_of_one_address_count_once(world: World) -> None:
    for number in range(6):
        await world.send(Sent(("user_id:u", f"email:{number}", f"email:{number} for Google", f"phone:{number}")))
    user = await world.profile_of("user_id:u")
    for number in range(5):
        assert await world.profile_of(f"email:{number}") == await world.profile_of(f"email:{number} for Google") == user
    assert await world.profile_of("email:5") == await world.profile_of("email:5 for Google") == ""
    async with world.database.across() as connection:
        listed = await identities(connection, [UUID(user)])
    kinds = Counter(identity.kind for identity in listed[UUID(user)])
    assert kinds == {AliasKind.USER_ID: 1, AliasKind.EMAIL: 5, AliasKind.PHONE: 5}


async def test_a_hashed_upload_and_the_raw_address_are_one_person(world: World) -> None:
    await world.send(Sent(("email:for Meta",)), Sent(("email:for Google",)))
    await world.send(Sent(("email:for Meta", "email:for Google", "anonymous_id:a")))
    assert len({await world.profile_of(who) for who in ("email:for Meta", "email:for Google", "anonymous_id:a")}) == 1


async def test_spellings_of_a_refused_address_stay_unknown(world: World) -> None:
    await world.send(Sent(("user_id:u", "email:e")), Sent(("user_id:v", "email:e", "email:e for Google")))
    assert await world.profile_of("email:e") == await world.profile_of("user_id:u")
    assert await world.profile_of("email:e for Google") == ""


@pytest.mark.parametrize("seed", range(5))
async def test_order_and_batching_do_not_matter(world: World, seed: int) -> None:
    for key, each in SEGMENTS.items():
        await world.save_segment(key, each)
    chance = random.Random(seed)
    events = crowd(random.Random(99), people=5, count=80)
    shuffled = chance.sample(events, len(events))
    while shuffled:
        size = chance.choice([1, 3, 10, 40])
        await world.send(*shuffled[:size])
        shuffled = shuffled[size:]
    await check_equals_single_profiles(world, events)


async def test_a_batch_that_waited_for_a_merge_builds_into_the_winner(world: World) -> None:
    await world.send(Sent(("user_id:u",)), Sent(("anonymous_id:a",)))
    user, visitor = [UUID(await world.profile_of(who)) for who in ("user_id:u", "anonymous_id:a")]
    batch = await world.batch([Sent(("anonymous_id:a",))])
    async with world.database.across() as connection, asyncio.timeout(AT_ALL):
        async with connection.transaction():
            await connection.execute("SELECT FROM profile WHERE id = $1 FOR UPDATE", visitor)
            waiting = asyncio.create_task(world.builder.build([batch]))
            while not await world.fetch("SELECT FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
            await connection.execute("UPDATE profile SET merged_into = $2 WHERE id = $1", visitor, user)
            await connection.execute("UPDATE subject SET profile_id = $2 WHERE profile_id = $1", visitor, user)
        await waiting
    rows = await world.fetch("SELECT counters FROM profile WHERE id = $1", user)
    assert rows[0]["counters"] == {"view": 2}


async def test_two_builders_at_once_come_to_the_same_end(world: World) -> None:
    for key, each in SEGMENTS.items():
        await world.save_segment(key, each)
    events = crowd(random.Random(5), people=4, count=240)
    by_lane: dict[int, list[Sent]] = defaultdict(list)
    for number, event in enumerate(events):
        by_lane[number % 3].append(event)

    async def lane(partition: int) -> None:
        builder = Builder(world.workshop())
        while by_lane[partition]:
            batch = await world.batch(by_lane[partition][:8], partition)
            del by_lane[partition][:8]
            await builder.build([batch])

    await asyncio.gather(*(lane(partition) for partition in list(by_lane)))
    await check_equals_single_profiles(world, events)
