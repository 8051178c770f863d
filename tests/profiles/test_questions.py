"""Why someone is in a segment, how many a definition would hold, and what it would have done."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.errors import Refused
from domain.event import CallType
from profiles import questions
from profiles.questions import Asked, DryRun, Preview
from profiles.segments.explain import Explanation
from profiles.segments.words import parse_text
from tests.fixtures.world import NOON, Sent, World

KEEN = 'count(view) in 24h >= 3 and (trait plan == "gold" or sum(value of buy) in 30d >= 100)'
HOUR = timedelta(hours=1)


async def explained(world: World, text: str, who: str) -> Explanation:
    async with world.database.workspace(world.workspace) as connection:
        asked = await Asked.definition(connection, world.workspace, parse_text(text))
        explanation = await asked.explain(UUID(await world.profile_of(who)), world.clock())
    assert explanation
    return explanation


async def previewed(world: World, text: str) -> Preview:
    async with world.database.workspace(world.workspace) as connection:
        return await (await Asked.definition(connection, world.workspace, parse_text(text))).preview(world.clock())


async def test_a_member_is_told_by_which_events_and_until_when(world: World) -> None:
    await world.send(
        *(Sent(("user_id:ann",), at=NOON - number * HOUR, message_id=f"v{number}") for number in range(4)),
        Sent(("user_id:ann",), type=CallType.IDENTIFY, traits={"plan": "gold"}),
    )
    found = await explained(world, KEEN, "user_id:ann")
    assert found.holds
    assert found.changes_at == NOON + 22 * HOUR
    views, plan, bought = found.reasons
    assert (views.holds, views.decisive, views.actual, views.events) == (True, True, 4, ("v0", "v1", "v2", "v3"))
    assert (plan.holds, plan.decisive, plan.actual, plan.place) == (True, True, None, "children[1].children[0]")
    assert (bought.holds, bought.decisive, bought.actual, bought.text) == (
        False,
        False,
        0,
        "sum(value of buy) in 30d >= 100",
    )


async def test_a_stranger_to_a_segment_is_told_what_is_missing(world: World) -> None:
    await world.send(Sent(("user_id:ben",)), Sent(("user_id:ben",), "buy", properties={"value": 99.5}))
    found = await explained(world, KEEN, "user_id:ben")
    assert (found.holds, found.changes_at) == (False, None)
    assert [(each.decisive, each.actual) for each in found.reasons] == [(True, 1), (True, None), (True, 99.5)]


async def test_one_is_told_when_time_alone_lets_one_in(world: World) -> None:
    await world.send(Sent(("user_id:ann",), "cart"))
    found = await explained(world, "did(cart) then not(buy) within 24h in 7d", "user_id:ann")
    assert (found.holds, found.changes_at) == (False, NOON + 24 * HOUR)
    await world.save_segment("bought", {"type": "count", "event": "buy", "op": ">=", "n": 1, "window": "1h"})
    found = await explained(world, "not segment bought", "user_id:ann")
    assert found.holds


async def test_a_preview_counts_whom_the_segment_will_hold(world: World) -> None:
    await world.send(*(Sent((f"user_id:{number}",)) for number in range(12) for _ in range(number % 4)))
    text = "count(view) in 1h >= 2"
    assert await previewed(world, text) == Preview(6, 0, 9, 9)
    await world.execute(
        "UPDATE profile SET objected_at = now() WHERE id = $1", UUID(await world.profile_of("user_id:3"))
    )
    assert await previewed(world, text) == Preview(5, 0, 8, 8)
    with pytest.raises(Refused, match="no segment"):
        await previewed(world, "segment nobody")


async def test_a_preview_of_many_is_an_estimate_that_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MOST_PEOPLE", 100)
    await world.send(*(Sent((f"user_id:{number}",), "view" if number % 2 else "buy") for number in range(400)))
    found = await previewed(world, "count(view) in 1h >= 1")
    assert found.population == 400
    assert 50 < found.examined < 200
    assert 0 < found.margin < 100
    assert abs(found.size - 200) <= 2 * found.margin


async def test_a_dry_run_tells_what_would_have_been(world: World) -> None:
    async def at(hours: int, *sent: Sent) -> None:
        world.clock.now = NOON + hours * HOUR
        await world.send(*sent)

    def sent(who: str, hours: int, **more: Any) -> Sent:
        return Sent((f"user_id:{who}",), at=NOON + hours * HOUR, **more)

    await at(0, sent("ann", 0), sent("ben", 0))
    await at(1, sent("ann", 1))
    await at(30, sent("ben", 30), sent("ben", 30), sent("eve", 30))
    world.clock.now = NOON + 31 * HOUR
    async with world.database.workspace(world.workspace) as connection:
        asked = await Asked.definition(connection, world.workspace, parse_text("count(view) in 24h >= 2"))
        whole = await asked.rehearse(NOON - HOUR, world.clock())
        second = await asked.rehearse(NOON + 12 * HOUR, world.clock())
    first_day, second_day = NOON.date(), (NOON + 24 * HOUR).date()
    assert [(each.day, each.entered, each.exited) for each in whole.days] == [(first_day, 1, 0), (second_day, 1, 1)]
    assert second == DryRun(whole.days[1:], 1, 3, 3)
    assert whole.members == 1
