"""The doctor finds events that are kept too long, and those to come that have no place."""

from datetime import datetime, timedelta

import pytest

from domain.clock import utc_now
from gateway.doctor import events
from gateway.settings import Settings
from stores.plans import add_plan
from tests.fixtures.doctor import examine
from tests.fixtures.world import Sent, World


async def plan(world: World, *, saved_at: datetime) -> None:
    """Save a plan that keeps everything for 30 days."""
    document = {"version": 1, "retention_days": 30, "context": {}, "fields": {}, "traits": {}, "events": {}}
    async with world.database.across() as connection:
        await add_plan(connection, world.workspace, document, saved_at)


async def test_events_that_nobody_sweeps_are_found(settings: Settings, world: World) -> None:
    month_ago = utc_now() - timedelta(days=30)
    old, older = month_ago - timedelta(hours=12), month_ago - timedelta(days=2, hours=1)
    await world.send(Sent(("user_id:ada",), received_at=old))
    await plan(world, saved_at=month_ago)
    assert await examine(settings) == (True, [])
    await world.send(Sent(("user_id:ada",), received_at=older))
    well, (wrong,) = await examine(settings)
    assert not well
    assert "retention: test has events whose time has been over for 2 days" in wrong
    await plan(world, saved_at=utc_now())
    assert await examine(settings) == (True, []), "a plan that is new has not been swept by yet"


async def test_a_quarter_that_nobody_has_prepared_for_is_found(
    settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((ends,),) = await world.fetch("SELECT max(ends) FROM event_part")
    monkeypatch.setattr(events, "utc_now", lambda: ends - timedelta(days=31))
    assert await examine(settings) == (True, [])
    monkeypatch.setattr(events, "utc_now", lambda: ends - timedelta(days=29))
    well, (wrong,) = await examine(settings)
    assert not well
    assert "quarters: the events of the coming quarter have no part of their table yet" in wrong
