"""Replays random traffic in memory, and compares with a recount of everything at every instant."""

import random
from datetime import UTC, datetime
from uuid import UUID, uuid4

from domain.segment import ChangeKind
from profiles.rehearse import Rehearsal
from profiles.segments.definition import parse_definition
from profiles.segments.index import Index, Segment
from tests.profiles.segments.chance import definition, instants, traffic
from tests.profiles.segments.oracle import Oracle

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def compare(seed: int, segments: int = 12, events: int = 25) -> int:
    """Replay one person's random traffic, compare at every instant, and return how many comparisons that were."""
    chance = random.Random(seed)
    definitions: dict[str, dict[str, object]] = {}
    for number in range(segments):
        definitions[f"s{number}"] = definition(chance, list(definitions))
    index = Index(Segment(uuid4(), key, 1, parse_definition(each)) for key, each in definitions.items())
    coming = traffic(chance, events, NOON, 30)
    rehearsal = Rehearsal(index, UUID(int=0), NOON)
    inside: set[str] = set()
    known = []
    compared = 0
    for instant in instants(coming, NOON):
        now = [event for arrival, event in coming if arrival == instant]
        known += now
        for move in rehearsal.take(now, instant):
            assert (move.segment_key in inside) == (move.kind is ChangeKind.EXITED), (seed, move)
            inside ^= {move.segment_key}
        if not known:
            continue
        oracle = Oracle(known, instant, definitions)
        expected = {key for key, each in definitions.items() if oracle.true(each)}
        wrong = sorted(inside ^ expected)
        assert not wrong, (seed, instant, wrong, [definitions[key] for key in wrong], known)
        compared += len(definitions)
    return compared
