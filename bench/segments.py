"""How much less does an event cost, with 1,000 segments over 100 event names, than asking every condition?"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from bench.figure import Figure
from domain.clock import to_micros
from profiles.segments.definition import parse_definition
from profiles.segments.evaluate import Touch, judge, stamp
from profiles.segments.index import Index, Segment
from profiles.segments.leaf import CountLeaf
from stores.profiles import LeafState, Profile

SEGMENTS = 1_000
EVENT_NAMES = [f"event_{number}" for number in range(100)]
PEOPLE = 20
EVENTS = 400
ROUNDS = 5
START = datetime(2026, 5, 1, 12, tzinfo=UTC)

Happening = tuple[int, str, datetime]
Standing = list[set[UUID]]
Work = Callable[[Index, list[Profile], list[Happening]], Standing]


async def run() -> list[Figure]:
    """Feed the same events to both, and make sure that both find the same members."""
    chance = random.Random(7)
    index = Index(make_segment(chance, number) for number in range(SEGMENTS))
    happenings = [
        (chance.randrange(PEOPLE), chance.choice(EVENT_NAMES), START + timedelta(seconds=number))
        for number in range(EVENTS)
    ]
    ours, theirs = ([cost(work, index, happenings) for _ in range(ROUNDS)] for work in (by_index, by_everything))
    assert ours[0][1] == theirs[0][1], "the two must agree"
    spent, spent_on_all = (min(each[0] for each in rounds) for rounds in (ours, theirs))  # disturbed least
    return [
        Figure("how many times less", spent_on_all / spent, at_least=8),
        Figure("an event, only what listens", spent / EVENTS * 1e6, "µs"),
        Figure("an event, every condition", spent_on_all / EVENTS * 1e6, "µs"),
    ]


def cost(work: Work, index: Index, happenings: list[Happening]) -> tuple[float, Standing]:
    """Return seconds of processor time, and who was where in the end."""
    people = [Profile(uuid4(), 0, {}, {}, {}, START, START) for _ in range(PEOPLE)]
    start = time.process_time()
    standing = work(index, people, happenings)
    return time.process_time() - start, standing


def by_index(index: Index, people: list[Profile], happenings: list[Happening]) -> Standing:
    """As the builder does it, with one event per batch."""
    for person, name, at in happenings:
        profile, touch, micros = people[person], Touch(), to_micros(at)
        touch.event(index, name, {}, micros, {})
        stamp(profile, index, touch, micros)
        judge(profile, index, touch, at)
    return [set(profile.memberships) for profile in people]


def by_everything(index: Index, people: list[Profile], happenings: list[Happening]) -> Standing:
    """Show each event to every condition, then ask every segment."""
    standing: Standing = [set() for _ in people]
    for person, name, at in happenings:
        profile, micros = people[person], to_micros(at)
        truths: dict[bytes, bool] = {}
        for key, leaf in index.leaves.items():
            assert isinstance(leaf, CountLeaf), "the bench has no others"
            state = profile.leaves.setdefault(key, LeafState([]))
            if _wants(leaf, name):
                state.stamps = leaf.newest([*state.stamps, micros])
            truths[key] = leaf.truth(state.stamps, micros)
        standing[person] = {segment.id for segment in index.segments.values() if segment.tree(truths)}
    return standing


def make_segment(chance: random.Random, number: int) -> Segment:
    """A segment of one to three counts; windows outlast the bench, so that time moves nobody."""
    leaves = [
        {
            "type": "count",
            "event": chance.choice(EVENT_NAMES),
            "op": ">=",
            "n": chance.randint(1, 5),
            "window": chance.choice(["1h", "24h", "7d"]),
        }
        for _ in range(chance.randint(1, 3))
    ]
    raw = {"type": chance.choice(["and", "or"]), "children": leaves}
    return Segment(uuid4(), f"segment_{number}", 1, parse_definition(raw))


def _wants(leaf: CountLeaf, name: str) -> bool:
    return leaf.event == name and leaf.filter.takes({})
