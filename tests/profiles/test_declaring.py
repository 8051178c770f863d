"""A declaration applies to what has happened and to what happens, and follows people through merges."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from domain.event import CallType
from profiles.declaring import Declaring
from profiles.joining import Deed, merge
from profiles.parting import unmerge
from stores.segments import raise_version
from stores.traits import add_trait
from tests.fixtures.world import NOON, Sent, World

SPENT = {"kind": "amount", "event": "purchase", "property": "value", "fold": "sum"}
BIG = {"type": "trait", "name": "spent", "op": ">=", "value": 100}


async def declare(world: World, name: str, definition: dict[str, Any] | None, *, build: bool = True) -> None:
    async with world.database.across() as connection, connection.transaction():
        await add_trait(connection, world.workspace, name, definition, actor="cli", at=NOON)
        await raise_version(connection, world.workspace)
    if build:
        await Declaring(world.workshop(), at_once=2).finish_all()


async def trait(world: World, who: str, name: str) -> Any:
    rows = await world.fetch("SELECT traits FROM profile WHERE id = $1", UUID(await world.profile_of(who)))
    return rows[0]["traits"].get(name, {}).get("v")


def bought(who: str, value: float, minute: int = 0) -> Sent:
    return Sent((who,), "purchase", at=NOON - timedelta(minutes=minute), properties={"value": value})


async def test_history_and_what_follows_count_once_and_decide_on_segments(world: World) -> None:
    await world.send(*(bought(f"user_id:{name}", 60) for name in "abcde"))
    await world.save_segment("big", BIG)
    await declare(world, "spent", SPENT)
    await world.send(bought("user_id:a", 40), bought("user_id:new", 5))
    assert [await trait(world, f"user_id:{name}", "spent") for name in ("a", "b", "new")] == [100, 60, 5]
    assert await world.members("big") == {await world.profile_of("user_id:a")}
    assert (await world.fetch("SELECT status FROM trait_definition"))[0]["status"] == "live"


async def test_another_version_takes_over_and_none_leaves_nothing(world: World) -> None:
    identify = Sent(("user_id:a",), type=CallType.IDENTIFY, traits={"spent": "a lot"}, at=NOON - timedelta(hours=1))
    await world.send(identify, bought("user_id:a", 60), bought("user_id:a", 20))
    assert await trait(world, "user_id:a", "spent") == "a lot"
    await declare(world, "spent", SPENT)
    assert await trait(world, "user_id:a", "spent") == 80
    await declare(world, "spent", {**SPENT, "fold": "max"})
    assert await trait(world, "user_id:a", "spent") == 60
    await world.send(bought("user_id:a", 70))
    assert await trait(world, "user_id:a", "spent") == 70
    await declare(world, "spent", None)
    assert await trait(world, "user_id:a", "spent") == "a lot"


async def test_while_it_is_applied_nobody_counts_twice(world: World) -> None:
    people = [f"user_id:{number}" for number in range(5)]
    await world.send(*(bought(who, 1) for who in people))
    await declare(world, "spent", SPENT, build=False)
    declaring = Declaring(world.workshop(), at_once=2)
    more = True
    while more:
        await world.send(*(bought(who, 1) for who in people))
        more = await declaring.step(world.workspace, "spent")
    counts = {await trait(world, who, "spent") for who in people}
    purchases = (await world.fetch("SELECT count(*) AS many FROM event"))[0]["many"]
    assert counts == {purchases // 5}


async def test_merges_add_up_and_parting_tells_apart(world: World) -> None:
    await declare(world, "spent", SPENT)
    await declare(world, "carts", {"kind": "count", "event": "cart"})
    await world.send(bought("user_id:a", 60), bought("anonymous_id:b", 50), Sent(("anonymous_id:b",), "cart"))
    await world.send(Sent(("user_id:a", "anonymous_id:b"), "purchase", properties={"value": 7}))
    assert await trait(world, "user_id:a", "spent") == 117
    await world.send(bought("anonymous_id:b", 1))
    assert (await trait(world, "user_id:a", "spent"), await trait(world, "user_id:a", "carts")) == (118, 1)
    (claim,) = await world.fetch("SELECT id FROM claim WHERE decision = 'merged'")
    deed = Deed("cli", "two people", NOON)
    async with world.database.across() as connection:
        await unmerge(connection, world.workspace, claim["id"], deed)
    assert [await trait(world, who, "spent") for who in ("user_id:a", "anonymous_id:b")] == [67, 51]
    assert await trait(world, "user_id:a", "carts") is None
    two = (UUID(await world.profile_of("user_id:a")), UUID(await world.profile_of("anonymous_id:b")))
    async with world.database.across() as connection:
        await merge(connection, world.workspace, two, deed)
    assert await trait(world, "anonymous_id:b", "spent") == 118
