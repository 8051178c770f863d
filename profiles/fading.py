"""The parts of a sweep over one workspace: each step takes away a bounded number of things whose time is over."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from domain.alias import Alias
from domain.event import ProtectedEvent
from privacy.retention import Retention
from profiles.catalogue import Catalogue
from profiles.memory import Memory
from profiles.traits import keep_newest, statements_in
from profiles.work import Work
from stores import sweeps
from stores.ledger.closings import close_records
from stores.postgres import Connection
from stores.profiles import Profile
from stores.statements import Statements as Said
from stores.statements import lock_statements, save_statements, statements_after

_BEGINNING: Final = (datetime(1970, 1, 1, tzinfo=UTC).isoformat(), "")
_FIRST: Final = UUID(int=0)
_DAY: Final = timedelta(days=1)


class What(StrEnum):
    """What a sweep takes away, in the words of its report."""

    EVENTS = "events"
    CUT_EVENTS = "events that lose fields"
    TRAITS = "traits"
    NAMES = "identifiers"
    KEYS = "data keys of people of whom nothing is left"
    PROFILES = "profiles"
    MESSAGES = "message ids"
    CHANGES = "segment changes"
    DEAD_LETTERS = "dead letters"
    LOSSES = "names of dropped fields"


class Taken(msgspec.Struct):
    """What one step did. `place` is where the next one goes on, None at the end."""

    place: Any
    more: bool
    tally: Counter[What] = msgspec.field(default_factory=Counter)
    profiles: list[Profile] = []
    """Those that changed, to be remembered once it is committed."""
    stale: list[Alias] = []
    """Identifiers that lead nowhere now."""
    changes: int = 0


class Scene(msgspec.Struct, frozen=True):
    """Where and when a step works, inside its transaction."""

    connection: Connection
    workspace: UUID
    retention: Retention
    now: datetime
    closing_key: bytes
    """Marks the ledger's records of people who go."""


class Part(Protocol):
    """One part of a sweep."""

    name: str
    repeats: bool
    """True where it begins anew each day; else it goes on where it left off."""
    start: Any

    async def step(self, scene: Scene, place: Any) -> Taken:
        """Go on from a place."""
        ...


class Events:
    """Events that are so many days old: those whose time is over go, others lose the fields whose time is."""

    repeats = False
    start = _BEGINNING

    def __init__(self, days: int, at_once: int, *, last: bool) -> None:
        self.name = f"events:{days}"
        self._last = last
        self._age = timedelta(days=days)
        self._at_once = at_once

    async def step(self, scene: Scene, place: Any) -> Taken:
        """Judge the next events in the order of their receipt."""
        after = (datetime.fromisoformat(place[0]), place[1])
        found = await sweeps.events_after(
            scene.connection, scene.workspace, after, scene.now - self._age, self._at_once
        )
        if not found:
            return Taken(place, more=False)
        judged = [(id_, event, scene.retention.event(event, scene.now)) for id_, event in found]
        gone = [(id_, event) for id_, event, left in judged if left is None]
        cut = [(id_, left) for id_, event, left in judged if left is not None and left is not event]
        if gone:
            await _keep_stated(scene, await sweeps.delete_events(scene.connection, scene.workspace, gone))
        if cut:
            await sweeps.cut_events(scene.connection, scene.workspace, cut)
        last, event = found[-1]
        more = len(found) == self._at_once
        # Of the oldest next to nothing stays behind, so it is looked at from the beginning each time: that also finds
        # what was built late, or was restricted for a while.
        return Taken(
            self.start if self._last and not more else (event.received_at.isoformat(), last),
            more=more,
            tally=Counter({What.EVENTS: len(gone), What.CUT_EVENTS: len(cut)}),
        )


class Statements:
    """What was stated in events that are gone, by the time of each statement."""

    name = "statements"
    repeats = True
    start = str(_FIRST)

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once

    async def step(self, scene: Scene, place: Any) -> Taken:
        """Judge those of the next subjects."""
        found = await statements_after(scene.connection, scene.workspace, UUID(place), self._at_once)
        more = len(found) == self._at_once
        taken = Taken(str(found[-1]) if more else None, more=more)
        if found:
            kept = await lock_statements(scene.connection, scene.workspace, found)
            fading = {id_: each for id_, each in kept.items() if _over(scene, each.traits) or _over(scene, each.sealed)}
            for each in fading.values():
                _fade(scene, each)
            if fading:
                await save_statements(scene.connection, scene.workspace, fading)
        return taken


class Traits:
    """What was stated about people, by the time of each statement. A trait that ends may end a membership."""

    name = "traits"
    repeats = True
    start = str(_FIRST)

    def __init__(self, catalogue: Catalogue, memory: Memory, at_once: int) -> None:
        self._catalogue = catalogue
        self._memory = memory
        self._at_once = at_once

    async def step(self, scene: Scene, place: Any) -> Taken:
        """Judge the next profiles; only those that lose something are locked."""
        youngest = scene.now - timedelta(days=scene.retention.stages[0])
        found = await sweeps.stated_after(scene.connection, scene.workspace, UUID(place), youngest, self._at_once)
        fading = [each.id for each in found if _over(scene, each.traits) or _over(scene, each.sealed)]
        more = len(found) == self._at_once
        taken = Taken(str(found[-1].id) if more else None, more=more)
        if fading:
            await self._take(scene, fading, taken)
        return taken

    async def _take(self, scene: Scene, fading: Collection[UUID], taken: Taken) -> None:
        definitions = await self._catalogue.share(scene.connection, scene.workspace)
        if definitions is None:
            return
        profiles = await self._memory.lock(scene.connection, scene.workspace, fading)
        work = Work(scene.connection, scene.workspace, definitions, profiles, scene.now)
        for profile in profiles.values():
            ended, sealed = _over(scene, profile.traits), _over(scene, profile.sealed)
            if profile.merged_into is None and (ended or sealed):
                profile.traits = scene.retention.traits(profile.traits, scene.now)
                profile.sealed = scene.retention.traits(profile.sealed, scene.now)
                work.touch(profile.id).traits(work.index(profile.id), ended, {"retention": sorted(ended)})
                work.change(profile.id)
                taken.tally[What.TRAITS] += len(ended) + len(sealed)
        await work.settle()
        taken.profiles, taken.changes = list(profiles.values()), len(work.changes)


class Subjects:
    """People of whom nothing is left. First no identifier leads to them, a day later their data key goes.

    In between, an event that was under way still finds its subject.
    """

    name = "subjects"
    repeats = True
    start = str(_FIRST)

    def __init__(self, catalogue: Catalogue, memory: Memory, at_once: int) -> None:
        self._catalogue = catalogue
        self._memory = memory
        self._at_once = at_once

    async def step(self, scene: Scene, place: Any) -> Taken:
        """Judge the next subjects that are old enough to have outlived all that was kept of them."""
        before = scene.now - scene.retention.longest
        found = await sweeps.subjects_after(scene.connection, scene.workspace, UUID(place), before, self._at_once)
        more = len(found) == self._at_once
        taken = Taken(str(found[-1].id) if more else None, more=more)
        unnamed = [each for each in found if each.spent and not each.named]
        if unnamed:
            gone = [each.id for each in unnamed]
            await close_records(scene.connection, scene.workspace, gone, scene.closing_key)
            await sweeps.delete_subjects(scene.connection, scene.workspace, gone)
            taken.tally[What.KEYS] += len(unnamed)
            await self._leave(scene, {each.profile_id for each in unnamed}, taken)
        spent = [each.id for each in found if each.spent and each.named]
        if spent:
            taken.stale = await sweeps.delete_aliases(scene.connection, scene.workspace, spent)
            taken.tally[What.NAMES] += len(taken.stale)
        return taken

    async def _leave(self, scene: Scene, profiles: Collection[UUID], taken: Taken) -> None:
        """Let deserted profiles out of their segments, and remove them."""
        deserted = await sweeps.deserted_profiles(scene.connection, scene.workspace, profiles)
        definitions = await self._catalogue.share(scene.connection, scene.workspace) if deserted else None
        if definitions is None:
            return
        locked = await self._memory.lock(scene.connection, scene.workspace, deserted)
        work = Work(scene.connection, scene.workspace, definitions, locked, scene.now)
        for profile in locked.values():
            for membership in list(profile.memberships.values()):
                work.leave(profile.id, membership, scene.now, {"retention": []})
        await work.settle()
        await sweeps.delete_profiles(scene.connection, scene.workspace, list(locked))
        taken.tally[What.PROFILES] += len(locked)
        taken.changes = len(work.changes)


async def _keep_stated(scene: Scene, events: Sequence[ProtectedEvent]) -> None:
    """Keep what events stated that may be kept for longer than they are."""
    said: dict[UUID, Said] = {}
    for event in events:
        known = said.setdefault(event.subject, Said({}, {}))
        of_event = statements_in(event)
        keep_newest(known.traits, of_event.traits)
        keep_newest(known.sealed, of_event.sealed)
    for each in said.values():
        _fade(scene, each)
    lasting = {id_: each for id_, each in said.items() if each.traits or each.sealed}
    if not lasting:
        return
    kept = await lock_statements(scene.connection, scene.workspace, lasting)
    for id_, each in kept.items():
        keep_newest(each.traits, lasting[id_].traits)
        keep_newest(each.sealed, lasting[id_].sealed)
    await save_statements(scene.connection, scene.workspace, kept)


def _fade(scene: Scene, said: Said) -> None:
    """Leave what may still be kept."""
    said.traits = scene.retention.traits(said.traits, scene.now)
    said.sealed = scene.retention.traits(said.sealed, scene.now)


def _over(scene: Scene, stated: dict[str, dict[str, Any]]) -> list[str]:
    """Name the statements that may not be kept as they are."""
    kept = scene.retention.traits(stated, scene.now)
    return [name for name, statement in stated.items() if kept.get(name) != statement]


def parts_of(retention: Retention, catalogue: Catalogue, memory: Memory, at_once: int) -> Sequence[Part]:
    """List the parts in their order: people go after what was kept of them."""
    events = [Events(days, at_once, last=days == retention.stages[-1]) for days in retention.stages]
    traits, subjects = Traits(catalogue, memory, at_once), Subjects(catalogue, memory, at_once)
    return [*events, traits, Statements(at_once), subjects]
