"""What is asked about segments: why someone is in one, how many a definition would hold, what it would have done."""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date, datetime, timedelta
from math import sqrt
from time import monotonic
from typing import Final
from uuid import UUID

import msgspec

from domain.clock import to_micros
from domain.event import ProtectedEvent
from domain.segment import ChangeKind, Definition, SegmentStatus
from profiles.catalogue import compile_segment
from profiles.rehearse import Rehearsal
from profiles.segments.evaluate import truth_of
from profiles.segments.explain import Explanation, explain, hypothetical
from profiles.segments.index import Index, Segment
from profiles.segments.leaf import Happened, KeptLeaf, moments_of
from profiles.segments.references import check_references
from stores.events import Happening, read_history
from stores.postgres import Connection
from stores.profiles import LeafState, Profile, read_profiles
from stores.reads.population import Facts, count_people, list_people, read_facts, read_recorded, sample_people
from stores.segments import read_segments

MOST_PEOPLE: Final = 5_000
"""People who are looked at; of a greater workspace, about so many at random."""

_AT_ONCE: Final = 250
_SECONDS: Final = 10.0
_SURE: Final = 1.96
"""Standard errors to either side that hold 95 of 100 estimates."""


class Preview(msgspec.Struct, frozen=True):
    """How many a definition would hold now. Exact where everyone was looked at: then `margin` is 0.

    Else an estimate; the true number lies within `margin` of it in 95 of 100 cases.
    """

    size: int
    margin: int
    examined: int
    population: int


class Day(msgspec.Struct, frozen=True):
    """Entries and exits of one day, UTC."""

    day: date
    entered: int
    exited: int


class DryRun(msgspec.Struct, frozen=True):
    """What a definition would have done to those who were looked at."""

    days: tuple[Day, ...]
    members: int
    """At the end."""
    examined: int
    population: int


class Asked:
    """Questions about one definition in one workspace. `connection` sees that workspace only.

    `segment` is the one that is asked about, `others` those that it may speak of.
    """

    def __init__(self, connection: Connection, workspace: UUID, segment: Segment, others: Sequence[Segment]) -> None:
        self._connection = connection
        self._workspace = workspace
        self._segment = segment
        self._others = others
        self._index = Index([*(each for each in others if each.id != segment.id), segment])

    @classmethod
    async def definition(cls, connection: Connection, workspace: UUID, definition: Definition) -> "Asked":
        """Ask about a definition that need not be saved. Raises `Refused` where it speaks of an unknown segment."""
        others = await _segments(connection, workspace)
        check_references("", definition, {each.key: each.definition for each in others})
        return cls(connection, workspace, hypothetical(definition), others)

    @classmethod
    async def saved(cls, connection: Connection, workspace: UUID, key: str) -> "Asked | None":
        """Ask about a segment in its newest definition; None where there is none that can be used."""
        others = await _segments(connection, workspace)
        segment = next((each for each in others if each.key == key), None)
        return cls(connection, workspace, segment, others) if segment else None

    async def explain(self, profile: UUID, now: datetime) -> Explanation | None:
        """Explain it for one profile, from its events; None where there is no such profile."""
        found = (await read_profiles(self._connection, self._workspace, [profile])).get(profile)
        if found is None:
            return None
        history = await self._history([profile], now)
        return explain(self._segment, self._others, found, history, now)

    async def preview(self, now: datetime) -> Preview:
        """Count whom it would hold, or estimate that."""
        population = await count_people(self._connection)
        examined = held = 0
        kept = self._index.kept_of[self._segment.id]
        async for people in self._people(population):
            happened: dict[UUID, list[Happened]] = defaultdict(list)
            for each in await self._history([person.id for person in people], now):
                happened[each.profile_id].append((each.name, each.properties, to_micros(each.at)))
            for person in people:
                profile = _profile(person, kept, happened[person.id], now)
                held += self._segment.tree(truth_of(profile, self._index, to_micros(now)))
            examined += len(people)
        share = held / examined if examined else 0.0
        error = 0.0 if examined >= population else _SURE * sqrt(max(share * (1 - share), 1 / examined) / examined)
        return Preview(round(share * population), round(error * population), examined, population)

    async def rehearse(self, since: datetime, until: datetime) -> DryRun:
        """Replay what was recorded, as it arrived, and count entries and exits between two instants.

        Traits that were stated before the replay begins hold from its beginning.
        """
        population = await count_people(self._connection)
        kept = self._index.kept_of[self._segment.id]
        begins = since - timedelta(microseconds=max((leaf.horizon for leaf in kept), default=0))
        moves: dict[date, list[int]] = defaultdict(lambda: [0, 0])
        examined = members = 0
        async for people in self._people(population):
            arrived: dict[UUID, list[ProtectedEvent]] = defaultdict(list)
            ids = [person.id for person in people]
            for each in await read_recorded(self._connection, self._workspace, ids, begins, until):
                arrived[each.profile_id].append(each.event)
            for person in people:
                members += self._replay(person, arrived[person.id], begins, since, until, moves)
            examined += len(people)
        days = tuple(Day(day, *moves[day]) for day in sorted(moves))
        return DryRun(days, members, examined, population)

    def _replay(
        self,
        person: Facts,
        events: Iterable[ProtectedEvent],
        begins: datetime,
        since: datetime,
        until: datetime,
        moves: dict[date, list[int]],
    ) -> bool:
        rehearsal = Rehearsal(self._index, person.id, begins)
        start = to_micros(begins)
        rehearsal.profile.traits = {name: each for name, each in person.traits.items() if each["t"] <= start}
        rehearsal.profile.scores = person.scores
        made = rehearsal.start(begins, {}) if rehearsal.profile.traits or person.scores else []
        for event in events:
            made += rehearsal.take([event], max(event.received_at, begins))
        made += rehearsal.wait(until)
        for move in made:
            if move.segment_id == self._segment.id and move.at > since:
                moves[move.at.date()][move.kind is ChangeKind.EXITED] += 1
        return self._segment.id in rehearsal.profile.memberships

    async def _history(self, profiles: Sequence[UUID], now: datetime) -> list[Happening]:
        """Read what the definition looks at, newest first."""
        kept = self._index.kept_of[self._segment.id]
        if not kept:
            return []
        since = now - timedelta(microseconds=max(leaf.horizon for leaf in kept))
        names = {name for leaf in kept for name in leaf.events} if all(leaf.events for leaf in kept) else None
        return await read_history(self._connection, self._workspace, profiles, names, since)

    async def _people(self, population: int) -> AsyncIterator[list[Facts]]:
        """Draw people until enough were looked at, or for long enough."""
        if population <= MOST_PEOPLE:
            drawn = await list_people(self._connection)
        else:
            drawn = await sample_people(self._connection, 100 * MOST_PEOPLE / population, 2 * MOST_PEOPLE)
        random.Random(0).shuffle(drawn)  # noqa: S311 - so that stopping early leaves a fair sample
        until = monotonic() + _SECONDS
        for place in range(0, len(drawn), _AT_ONCE):
            if monotonic() > until:
                break
            yield await read_facts(self._connection, drawn[place : place + _AT_ONCE])


async def _segments(connection: Connection, workspace: UUID) -> list[Segment]:
    stored = await read_segments(connection, workspace)
    compiled = [compile_segment(each) for each in stored if each.status is not SegmentStatus.DELETING]
    return [each for each in compiled if each is not None]


def _profile(person: Facts, kept: Iterable[KeptLeaf], happened: Sequence[Happened], now: datetime) -> Profile:
    """Put a profile together from its history."""
    built = {leaf.state: LeafState(leaf.build(moments_of(leaf, happened))) for leaf in kept}
    leaves = {key: state for key, state in built.items() if state.stamps}
    return Profile(person.id, 0, person.traits, {}, {}, now, now, scores=person.scores, leaves=leaves)
