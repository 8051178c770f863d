"""Memberships in the store against a recount over all events, at every instant at which something could change.

With late events, exact ties, a merge, builders that are replaced, and a day on which the clocks change.
"""

import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from domain.event import ProtectedEvent
from profiles.backfill import Backfill
from profiles.builder import Builder
from profiles.timers import Timers
from tests.fixtures.world import Sent, World
from tests.profiles.segments.chance import definition, instants, traffic
from tests.profiles.segments.oracle import Oracle

PEOPLE = ["anonymous_id:a", "anonymous_id:b", "user_id:c"]
TOGETHER = ("user_id:c", "anonymous_id:b")
SECONDS = 30
DAYS = [
    datetime(2026, 5, 4, 12, tzinfo=UTC),
    datetime(2026, 5, 4, 12, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 59, 45, tzinfo=UTC),  # an hour is left out in Berlin, fifteen seconds later
]
BERLIN = [timezone(timedelta(hours=1)), timezone(timedelta(hours=2))]


class Known:
    """Who is who, and what each of them did."""

    def __init__(self) -> None:
        self.person_of = {name: name for name in PEOPLE}
        self.events: dict[str, list[ProtectedEvent]] = {}

    def hear(self, event: Sent, as_protected: ProtectedEvent) -> None:
        if event.who == TOGETHER:
            self.person_of["anonymous_id:b"] = "user_id:c"
            self.events.setdefault("user_id:c", []).extend(self.events.pop("anonymous_id:b", []))
        self.events.setdefault(self.person_of[event.who[0]], []).append(as_protected)


def restart(world: World) -> None:
    """Go on with builders that remember nothing."""
    world.builder = Builder(world.workshop())
    world.timers = Timers(world.workshop())
    world.backfill = Backfill(world.workshop(), at_once=3)


def told(chance: random.Random, event: ProtectedEvent, noon: datetime) -> Sent:
    """Say an event as a client somewhere in Europe does."""
    who = TOGETHER if event.message_id == "m020" else (chance.choice(PEOPLE),)
    local = event.at.astimezone(BERLIN[event.at >= noon + timedelta(seconds=15)])
    return Sent(
        who,
        event.name,
        at=local,
        received_at=event.received_at,
        type=event.type,
        traits=event.traits,
        properties=event.properties,
        message_id=event.message_id,
    )


@pytest.mark.parametrize("seed", range(len(DAYS)))
async def test_memberships_equal_a_recount_at_every_instant(world: World, seed: int) -> None:
    chance, noon = random.Random(seed), DAYS[seed]
    world.clock.now = noon
    definitions: dict[str, dict[str, Any]] = {}
    for number in range(25):
        definitions[f"s{number}"] = definition(chance, list(definitions))
    for key, each in definitions.items():
        await world.save_segment(key, each, build=False)
    await world.backfill.finish_all()
    coming = [(arrival, told(chance, event, noon), event) for arrival, event in traffic(chance, 50, noon, SECONDS)]
    known, compared = Known(), 0
    for instant in instants([(arrival, event) for arrival, _, event in coming], noon):
        world.clock.now = instant
        if chance.random() < 0.1:
            restart(world)
        await world.timers.fire()
        now = [(sent, event) for arrival, sent, event in coming if arrival == instant]
        if now:
            await world.send(*(sent for sent, _ in now))
            for sent, event in now:
                known.hear(sent, event)
        names = {await world.profile_of(who): who for who in known.events}
        rows = await world.fetch("SELECT key, profile_id FROM membership JOIN segment ON segment.id = segment_id")
        found = {(row["key"], names[str(row["profile_id"])]) for row in rows}
        expected = set()
        for who, events in known.events.items():
            oracle = Oracle(events, instant, definitions)
            expected |= {(key, who) for key, each in definitions.items() if oracle.true(each)}
        compared += len(definitions) * len(known.events)
        assert found == expected, (instant, [definitions[key] for key, _ in found ^ expected])
    await every_change_follows_from_the_last(world)
    assert compared > 4_000


async def every_change_follows_from_the_last(world: World) -> None:
    changes = await world.fetch("SELECT profile_id, segment_id, kind, profile_version FROM segment_change ORDER BY id")
    inside: set[tuple[object, object]] = set()
    versions: dict[object, int] = {}
    for profile, segment, kind, version in changes:
        assert ((profile, segment) in inside) == (kind == "exited")
        inside ^= {(profile, segment)}
        assert version >= versions.get(profile, 0)
        versions[profile] = version
    rows = await world.fetch("SELECT profile_id, segment_id FROM membership")
    assert inside == {(row["profile_id"], row["segment_id"]) for row in rows}
