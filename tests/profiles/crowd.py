"""Traffic of people who reveal who they are bit by bit, and the profiles that must come of it."""

import random
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from domain.event import CallType
from tests.fixtures.world import NOON, Sent, World

SECOND_EVENT_OF = {"type": "count", "event": "view", "op": ">=", "n": 2, "window": "24h"}
GOLD = {"type": "trait", "name": "plan", "op": "==", "value": "gold"}
NO_CART = {"type": "count", "event": "cart", "op": "==", "n": 0, "window": "1h"}


SEGMENTS: dict[str, dict[str, Any]] = {"twice": SECOND_EVENT_OF, "gold": GOLD, "no_cart": NO_CART}


def crowd(chance: random.Random, people: int, count: int, noon: datetime = NOON) -> list[Sent]:
    """Traffic of people who each have one user id and several weaker identifiers, which come together at random.

    All of it arrives at `noon`. What it means stays the same for five minutes after that.
    """
    kinds = ["user_id", "email", "phone", "anonymous_id", "anonymous_id"]
    sent = []
    for number in range(count):
        person = chance.randrange(people)
        mine = [f"{kind}:{person}.{place}" for place, kind in enumerate(kinds)]
        who = sorted(chance.sample(range(len(mine)), chance.choice([1, 1, 2, 3])))
        identify = chance.random() < 0.3
        sent.append(
            Sent(
                tuple(mine[each] for each in who),
                chance.choice(["view", "cart"]),
                at=noon - timedelta(minutes=5 * chance.randrange(20)),
                received_at=noon,
                type=CallType.IDENTIFY if identify else CallType.TRACK,
                traits={"plan": chance.choice(["gold", "free"]), f"t{number % 3}": number} if identify else {},
                message_id=f"m{number:04}",
            )
        )
    return sent


def components(events: Iterable[Sent]) -> list[set[str]]:
    groups: list[set[str]] = []
    for event in events:
        joined = set(event.who).union(*(group for group in groups if group & set(event.who)))
        groups = [group for group in groups if not group & joined] + [joined]
    return groups


async def check_equals_single_profiles(world: World, events: list[Sent]) -> None:
    """Compare every profile with one that had all events of its person from the start."""
    by_person = components(events)
    assert len(by_person) == len(await world.fetch("SELECT FROM profile WHERE merged_into IS NULL"))
    assert len(await world.fetch("SELECT FROM event")) == len(events)
    rows = {str(row["id"]): row for row in await world.fetch("SELECT * FROM profile")}
    members: dict[str, set[str]] = {key: await world.members(key) for key in ("twice", "gold", "no_cart")}
    for person in by_person:
        profiles = {await world.profile_of(who) for who in person}
        assert len(profiles) == 1, person
        (id,) = profiles  # noqa: A001 - its column's name
        mine = [event for event in events if set(event.who) & person]
        names = Counter(event.name if event.type is CallType.TRACK else "identify" for event in mine)
        stated: dict[str, Any] = {}
        for event in sorted(mine, key=lambda event: (event.at, event.message_id)):
            stated |= event.traits
        assert rows[id]["counters"] == names
        assert {name: trait["v"] for name, trait in rows[id]["traits"].items()} == stated
        assert rows[id]["first_seen_at"] == min(event.at for event in mine)
        assert rows[id]["last_seen_at"] == max(event.at for event in mine)
        hour_ago = max(event.received_at or NOON for event in mine) - timedelta(hours=1)
        carted = any(event.name == "cart" and event.type is CallType.TRACK and event.at > hour_ago for event in mine)
        assert (id in members["twice"]) == (names["view"] >= 2)
        assert (id in members["gold"]) == (stated.get("plan") == "gold")
        assert (id in members["no_cart"]) == (not carted)
