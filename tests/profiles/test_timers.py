"""Time passes with nobody there: exits and entries come within a second of their instants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import pytest

from domain.clock import utc_now
from profiles.builder import Builder
from profiles.timers import Timers
from tests.fixtures.world import NOON, Sent, World
from tests.patience import AT_ALL, soonest

SOON = {"type": "count", "event": "view", "op": ">=", "n": 1, "window": "1s"}
LATER = {"type": "count", "event": "view", "op": ">=", "n": 1, "window": "30d"}
ABSENT = {"type": "not", "child": SOON}
WHO = ("anonymous_id:a",)
ATTEMPTS = 10
"""How often a busy machine may be late before we are."""


@asynccontextmanager
async def running(timers: Timers) -> AsyncIterator[None]:
    task = asyncio.create_task(timers.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def changes(world: World, count: int) -> list[tuple[str, datetime]]:
    """Wait for so many changes, and tell when each was there."""
    async with asyncio.timeout(AT_ALL):
        while True:
            rows = await world.fetch("SELECT kind, at FROM segment_change ORDER BY id")
            if len(rows) >= count:
                return [tuple(row) for row in rows]
            await asyncio.sleep(0.02)


async def test_exit_and_entry_come_by_themselves_within_a_second(world: World) -> None:
    await world.save_segment("soon", SOON)
    await world.save_segment("absent", ABSENT)
    timers = Timers(world.workshop(utc_now))
    builder = Builder(world.workshop(utc_now), wake_timers=timers.wake)

    async def come_and_go(number: int) -> float:
        at = utc_now()
        instant = at + timedelta(seconds=1)
        await builder.build([await world.batch([Sent((f"anonymous_id:{number}",), at=at, received_at=at)])])
        found = (await changes(world, 3 * (number + 1)))[3 * number :]
        late = (utc_now() - instant).total_seconds()
        assert found[0][0] == "entered"
        assert sorted(found[1:]) == [("entered", instant), ("exited", instant)]
        assert len(await world.members("absent")) == number + 1
        return late

    async with running(timers):
        assert await soonest(come_and_go, 1) < 1


async def test_a_builder_that_was_started_anew_keeps_to_the_instants(world: World) -> None:
    await world.save_segment("soon", SOON)
    builder = Builder(world.workshop(utc_now))

    async def start_anew(number: int) -> float:
        at = utc_now()
        instant = at + timedelta(seconds=1)
        await builder.build([await world.batch([Sent((f"anonymous_id:{number}",), at=at, received_at=at)])])
        async with running(Timers(world.workshop(utc_now))):
            found = (await changes(world, 2 * (number + 1)))[2 * number :]
            late = (utc_now() - instant).total_seconds()
        assert found == [("entered", found[0][1]), ("exited", instant)]
        return late

    assert await soonest(start_anew, 1) < 1


async def test_what_was_missed_while_nobody_ran_is_caught_up(world: World) -> None:
    await world.save_segment("soon", SOON)
    await world.send(Sent(WHO))
    world.clock.advance(hours=5)
    async with running(Timers(world.workshop())):
        found = await changes(world, 2)
    assert found[1] == ("exited", NOON + timedelta(seconds=1))


async def test_a_sooner_timer_wakes_the_sleeper(world: World) -> None:
    await world.save_segment("later", LATER)
    await world.send(Sent(WHO))
    timers = Timers(world.workshop())
    assert 0 < await timers._until_next() <= 1
    timers.wake(NOON + timedelta(days=31))
    assert not timers._woken.is_set()
    timers.wake(NOON + timedelta(minutes=1))
    assert timers._woken.is_set()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many timers are heard in one step: fewer than in the product, so that a small crowd is many steps."""
    monkeypatch.setattr("profiles.timers.AT_ONCE", 64)
    return 64


async def test_many_timers_of_one_instant_are_all_heard_once(world: World, few: int) -> None:
    await world.save_segment("soon", SOON)
    people = 2 * few + 10
    await world.send(*(Sent((f"anonymous_id:{number}",)) for number in range(people)))
    world.clock.advance(seconds=1)
    others = [Timers(world.workshop()) for _ in range(2)]
    async with asyncio.timeout(AT_ALL):
        while sum(await asyncio.gather(*(each.fire() for each in others))):
            pass
    await world.timers.fire()
    assert not await world.members("soon")
    assert len(await world.fetch("SELECT FROM segment_change WHERE kind = 'exited'")) == people


async def test_live_events_are_built_between_the_timers_of_one_instant(world: World, few: int) -> None:
    await world.save_segment("soon", SOON)
    people = 8 * few
    await world.send(*(Sent((f"anonymous_id:{number}",)) for number in range(people)))
    world.clock.advance(seconds=1)
    batch = await world.batch([Sent(("user_id:live",), at=world.clock())])
    wave = asyncio.create_task(world.timers.fire())
    await asyncio.sleep(0)
    await world.builder.build([batch])
    assert not wave.done()
    assert await world.profile_of("user_id:live") in await world.members("soon")
    await wave
    assert len(await world.members("soon")) == 1


async def test_a_timer_of_a_leaf_that_nothing_needs_is_dropped(world: World) -> None:
    await world.save_segment("soon", SOON)
    await world.send(Sent(WHO))
    await world.execute("UPDATE segment SET status = 'failed'")
    world.timers = Timers(world.workshop())
    world.clock.advance(seconds=1)
    assert await world.timers.fire() == 0
    assert not await world.fetch("SELECT FROM leaf_state")
