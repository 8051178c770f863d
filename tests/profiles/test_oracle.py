"""Memberships against a brute-force count over all events, at every instant at which something could change."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.event import CallType
from tests.fixtures.world import NOON, Sent, World

PEOPLE = [("anonymous_id:a",), ("anonymous_id:b",), ("user_id:c",)]
EVENTS = ["view", "cart"]
WINDOWS = {"5s": 5, "10s": 10, "15s": 15}
PLANS = ["gold", "silver"]
TICK = timedelta(microseconds=1)
HOLDS = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def definition(chance: random.Random, depth: int = 2) -> dict[str, Any]:
    kind = chance.choice(["count", "count", "trait", "and", "or", "not"] if depth else ["count", "trait"])
    if kind in ("and", "or"):
        return {"type": kind, "children": [definition(chance, depth - 1) for _ in range(chance.randint(1, 3))]}
    if kind == "not":
        return {"type": "not", "child": definition(chance, depth - 1)}
    if kind == "trait":
        return {"type": "trait", "name": "plan", "op": chance.choice(["==", "!="]), "value": chance.choice(PLANS)}
    where = [{"property": "size", "op": chance.choice(["==", ">"]), "value": 1}] if chance.random() < 0.3 else []
    return {
        "type": "count",
        "event": chance.choice(EVENTS),
        "op": chance.choice(list(HOLDS)),
        "n": chance.randint(0, 3),
        "window": chance.choice(list(WINDOWS)),
        "where": where,
    }


def true(node: dict[str, Any], events: list[Sent], now: datetime) -> bool:
    """Decide by looking at everything that the person ever did."""
    match node["type"]:
        case "and":
            return all(true(child, events, now) for child in node["children"])
        case "or":
            return any(true(child, events, now) for child in node["children"])
        case "not":
            return not true(node["child"], events, now)
        case "trait":
            stated = [event for event in events if event.type is CallType.IDENTIFY]
            newest = max(stated, key=lambda event: (event.at, event.message_id), default=None)
            return bool(HOLDS[node["op"]](newest.traits["plan"] if newest else None, node["value"]))
    opens = now - timedelta(seconds=WINDOWS[node["window"]])
    inside = [
        event
        for event in events
        if event.type is CallType.TRACK
        and event.name == node["event"]
        and event.at > opens
        and all(
            "size" in event.properties and HOLDS[each["op"]](event.properties["size"], each["value"])
            for each in node["where"]
        )
    ]
    return bool(HOLDS[node["op"]](len(inside), node["n"]))


def traffic(chance: random.Random, count: int) -> list[tuple[datetime, Sent]]:
    """Events with the instants of their arrival: whole seconds, so that ties and exact ends are common; some late."""
    sent = []
    for number in range(count):
        arrival = NOON + timedelta(seconds=chance.randint(0, 40))
        late = timedelta(seconds=chance.choice([0, 0, 0, 1, 5, 10]))
        identify = chance.random() < 0.2
        event = Sent(
            chance.choice(PEOPLE),
            chance.choice(EVENTS),
            at=arrival - late,
            received_at=arrival,
            type=CallType.IDENTIFY if identify else CallType.TRACK,
            traits={"plan": chance.choice(PLANS)} if identify else {},
            properties={"size": chance.randint(0, 2)} if chance.random() < 0.7 else {},
            message_id=f"m{number:03}",
        )
        sent.append((arrival, event))
    return sorted(sent, key=lambda pair: pair[0])


@pytest.mark.parametrize("seed", range(4))
async def test_memberships_equal_a_recount_at_every_instant(world: World, seed: int) -> None:
    chance = random.Random(seed)
    definitions = {f"s{number}": definition(chance) for number in range(25)}
    for key, each in definitions.items():
        await world.save_segment(key, each, build=False)
    await world.backfill.finish_all()
    coming = traffic(chance, 60)
    arrivals = {arrival for arrival, _ in coming}
    ends = {event.at + timedelta(seconds=window) for _, event in coming for window in WINDOWS.values()}
    known: dict[tuple[str, ...], list[Sent]] = {}
    compared = 0
    for instant in sorted(arrivals | ends | {end - TICK for end in ends}):
        if instant < NOON:
            continue
        world.clock.now = instant
        await world.timers.fire()
        now = [event for arrival, event in coming if arrival == instant]
        if now:
            await world.send(*now)
            for event in now:
                known.setdefault(event.who, []).append(event)
        names = {await world.profile_of(who[0]): who for who in known}
        rows = await world.fetch("SELECT key, profile_id FROM membership JOIN segment ON segment.id = segment_id")
        found = {(row["key"], names[str(row["profile_id"])]) for row in rows}
        expected = {
            (key, who)
            for key, each in definitions.items()
            for who, events in known.items()
            if true(each, events, instant)
        }
        compared += len(definitions) * len(known)
        assert found == expected, instant
    await every_change_follows_from_the_last(world)
    assert compared > 5_000


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
