"""States that an earlier version wrote, one for each count, are one state of all of them from the first touch on."""

from datetime import timedelta

from domain.segment import Count
from profiles.builder import Builder
from profiles.segments.leaf import CountLeaf
from profiles.timers import Timers
from tests.fixtures.world import NOON, Sent, World

WHO = ("anonymous_id:a",)
ONCE, TWICE = Count("view", ">=", 1, "2h"), Count("view", ">=", 2, "3h")
STAMPS = [NOON - timedelta(minutes=30), NOON - timedelta(minutes=30), NOON - timedelta(hours=1)]


async def as_before(world: World) -> None:
    """Leave the states and timers that counts with states of their own would have."""
    for key, count in (("once", ONCE), ("twice", TWICE)):
        await world.save_segment(
            key, {"type": "count", "event": "view", "op": ">=", "n": count.n, "window": count.window}
        )
    await world.send(*(Sent(WHO, at=at) for at in STAMPS))
    once, twice = CountLeaf(ONCE), CountLeaf(TWICE)
    assert once.state == twice.state
    for leaf in (once, twice):
        await world.execute(
            """
            INSERT INTO leaf_state (workspace_id, profile_id, leaf, stamps, due_at)
            SELECT workspace_id, profile_id, $1, stamps[:$2::int],
                to_timestamp((stamps[$2::int] + $3::bigint)::numeric / 1000000)
            FROM leaf_state WHERE leaf = $4
            """,
            leaf.key,
            leaf.n,
            leaf.window,
            leaf.state,
        )
    await world.execute("DELETE FROM leaf_state WHERE leaf = $1", once.state)
    world.builder = Builder(world.workshop())
    world.timers = Timers(world.workshop())


async def moves(world: World) -> list[tuple[object, ...]]:
    rows = await world.fetch("SELECT segment_key, kind, at FROM segment_change ORDER BY id")
    return [tuple(row) for row in rows]


async def test_what_was_due_meanwhile_comes_at_its_instant(world: World) -> None:
    await as_before(world)
    before = await moves(world)
    world.clock.advance(hours=5)
    assert await world.timers.fire() == 0
    exits = [
        ("once", "exited", NOON + timedelta(hours=1, minutes=30)),
        ("twice", "exited", NOON + timedelta(hours=2, minutes=30)),
    ]
    assert [move for move in await moves(world) if move not in before] == exits
    assert [row["leaf"] for row in await world.fetch("SELECT leaf FROM leaf_state")] == [CountLeaf(ONCE).state]


async def test_an_event_counts_on(world: World) -> None:
    await as_before(world)
    await world.send(Sent(WHO, at=NOON))
    states = await world.fetch("SELECT leaf, cardinality(stamps) AS many FROM leaf_state")
    assert [tuple(row) for row in states] == [(CountLeaf(ONCE).state, 3)]
    world.clock.advance(hours=2)
    await world.timers.fire()
    assert await world.members("once") == set()
    assert await world.members("twice") == {await world.profile_of("anonymous_id:a")}
