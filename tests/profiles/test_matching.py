"""People who are alike become one, or are put up for somebody to look at."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.event import CallType, encode_event
from privacy.likeness import filters_of, values_of
from profiles.matching import Matcher
from stores.likeness import decide_candidate
from tests.fixtures.world import NOON, Sent, World

KEY = bytes(32)
ANN = {"name": "Ann-Marie Muller", "birthday": "1980-02-29", "zip": "70173"}
NEARLY_ANN = {"name": "Ann-Marie Mueller", "birthday": "1980-02-29", "zip": "70174"}
BOB = {"name": "Bob Jones", "birthday": "1980-02-29", "zip": "70173"}


@pytest.fixture(autouse=True)
async def matching(world: World) -> None:
    await world.execute("UPDATE workspace SET settings = $1", {"identity": {"matching": True}})


async def tell(world: World, who: str, traits: dict[str, Any], minutes: int = 0) -> None:
    sent = Sent((who,), type=CallType.IDENTIFY, at=NOON - timedelta(minutes=minutes))
    event = msgspec.structs.replace(await world.protect(sent), likeness=filters_of(values_of(traits, traits), KEY))
    await world.send(encode_event(event))


async def match(world: World) -> list[tuple[Any, ...]]:
    matcher = Matcher(world.database, world.clock)
    while await matcher.step():
        pass
    rows = await world.fetch(
        "SELECT status, round(score::numeric, 1)::float AS score FROM match_candidate ORDER BY score"
    )
    return [tuple(row) for row in rows]


async def one(world: World, *who: str) -> bool:
    return len({await world.profile_of(each) for each in who}) == 1


async def test_who_is_alike_enough_is_merged_and_the_ledger_says_by_what(world: World) -> None:
    await tell(world, "email:a", ANN)
    await tell(world, "anonymous_id:b", ANN)
    assert await match(world) == [("merged", 1.0)]
    assert await one(world, "email:a", "anonymous_id:b")
    (claim,) = await world.fetch("SELECT actor, reason FROM claim WHERE decision = 'merged'")
    assert tuple(claim) == ("match", "alike by 1.00")


async def test_who_is_less_alike_is_put_up_and_whoever_is_not_is_left_alone(world: World) -> None:
    await tell(world, "email:a", ANN)
    await tell(world, "email:b", NEARLY_ANN)
    await tell(world, "email:c", BOB)
    assert await match(world) == [("open", 0.9)]
    assert not await one(world, "email:a", "email:b")


async def test_two_users_are_never_merged_for_being_alike(world: World) -> None:
    await tell(world, "user_id:a", ANN)
    await tell(world, "user_id:b", ANN)
    assert await match(world) == [("open", 1.0)]
    assert not await one(world, "user_id:a", "user_id:b")


async def test_who_was_rejected_is_not_put_up_again(world: World) -> None:
    await tell(world, "user_id:a", ANN)
    await tell(world, "user_id:b", ANN)
    await match(world)
    (row,) = await world.fetch("SELECT id FROM match_candidate")
    async with world.database.across() as connection:
        assert await decide_candidate(connection, world.workspace, row["id"], "rejected", actor="cli", at=NOON)
        assert not await decide_candidate(connection, world.workspace, row["id"], "accepted", actor="cli", at=NOON)
    await tell(world, "user_id:b", {**ANN, "name": "Annmarie Muller"})
    assert [status for status, _ in await match(world)] == ["rejected"]


async def test_who_objected_is_not_compared(world: World) -> None:
    await tell(world, "email:a", ANN)
    profile = UUID(await world.profile_of("email:a"))
    await world.execute("UPDATE profile SET objected_at = $1, version = version + 1 WHERE id = $2", NOON, profile)
    await tell(world, "email:b", ANN)
    assert await match(world) == []


async def test_an_older_statement_does_not_take_the_newer_ones_place(world: World) -> None:
    await tell(world, "email:a", ANN)
    await tell(world, "email:a", BOB, minutes=5)
    await tell(world, "email:b", ANN)
    assert await match(world) == [("merged", 1.0)]


async def test_filters_go_with_their_person(world: World) -> None:
    await tell(world, "user_id:a", ANN)
    await tell(world, "user_id:b", ANN)
    await match(world)
    await world.execute("DELETE FROM subject WHERE id = (SELECT min(id::text)::uuid FROM subject)")
    assert len(await world.fetch("SELECT DISTINCT subject_id FROM likeness")) == 1
    assert not await world.fetch("SELECT FROM match_candidate")
