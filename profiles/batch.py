"""One workspace's part of a batch, inside the batch's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from domain.alias import Alias
from domain.event import ProtectedEvent
from privacy.keys import WorkspaceKeys
from profiles.catalogue import Definitions
from profiles.identity import Person, Resolution, resolve
from profiles.memory import Memory
from profiles.segments.leaf import event_key, event_stamp
from profiles.standing import look_again
from profiles.traits import fold_event
from profiles.work import NOWHERE, Work
from stores.claims import add_claims, partings_in_force
from stores.events import claim_messages, store_events
from stores.faults import Contended
from stores.identities import (
    Link,
    Owner,
    add_links,
    any_moved,
    count_identifiers,
    find_owners,
    find_profiles,
    move_subjects,
)
from stores.likeness import keep_likeness
from stores.persons import carry_holds
from stores.postgres import Connection
from stores.profiles import Profile, create_profiles
from stores.subjects import profile_aliases


class Built(msgspec.Struct):
    """What became of the events of one workspace."""

    workspace: UUID
    events: int = 0
    duplicates: int = 0
    changes: int = 0
    strangers: list[ProtectedEvent] = []
    """Events whose subject does not exist: they have not been built."""
    forgotten: list[ProtectedEvent] = []
    """Events of erased people: they are passed over."""
    refused: int = 0
    """Events whose person had refused all they were collected for."""
    stale: list[Alias] = []
    """Aliases of people who were merged: what is cached about them is old."""
    next_due: datetime | None = None
    profiles: list[Profile] = []
    """As they are once the transaction is committed."""


class Step:
    """Builds one workspace's events inside the batch's transaction, at one instant.

    Every builder takes its locks in the order of these methods, so that none wait in a circle. The caller holds the
    definitions still, and the workspace's keys, which are given once any of them has been rotated. `places` are the
    traceparents of those messages that are traced.
    """

    def __init__(
        self,
        connection: Connection,
        workspace: UUID,
        definitions: Definitions,
        *,
        memory: Memory,
        now: datetime,
        keys: WorkspaceKeys | None = None,
        places: Mapping[str, str] = NOWHERE,
    ) -> None:
        self._connection = connection
        self._workspace = workspace
        self._definitions = definitions
        self._memory = memory
        self._now = now
        self._keys = keys
        self._places = places

    async def build(self, events: Sequence[ProtectedEvent]) -> Built:
        """Build events in their order. Raises `Contended` where another builder came first."""
        connection, workspace = self._connection, self._workspace
        profile_of = await find_profiles(connection, workspace, {event.subject for event in events})
        lifted = [_lifted(event, self._keys) if self._keys else event for event in events]
        given = {id(after): before for before, after in zip(events, lifted, strict=True)}
        standing = await look_again(connection, workspace, lifted, profile_of)
        known = [event for event in standing.kept if event.subject in profile_of]
        built = Built(workspace, forgotten=[given[id(event)] for event in standing.forgotten], refused=standing.refused)
        built.strangers = [given[id(event)] for event in standing.kept if event.subject not in profile_of]
        fresh = await self._fresh(known)
        built.duplicates = len(known) - len(fresh)
        if not fresh:
            return built
        weaker = {alias for event in fresh for alias in event.aliases[1:]}
        owners = await find_owners(connection, workspace, weaker) if weaker else {}
        spoken = _Spoken(fresh, {event.subject: profile_of[event.subject] for event in fresh}, owners)
        profiles, born = await self._lock(spoken)
        who = await self._identify(spoken, profiles)
        await store_events(connection, workspace, fresh)
        if self._definitions.identity.matching and any(event.likeness for event in fresh):
            await keep_likeness(connection, workspace, fresh)
        work = Work(connection, workspace, self._definitions, profiles, self._now, self._places)
        if who.merges:
            work.merge(who.merges)
            built.stale = await profile_aliases(connection, workspace, set(who.merges.values()))
        for profile in born - who.merges.keys():
            work.touch(profile).birth(work.index(profile), {"event": spoken.first[profile]})
            work.change(profile)
        _fold(work, fresh, who.profile_of)
        await work.settle()
        built.events, built.changes, built.next_due = len(fresh), len(work.changes), work.next_due
        built.profiles = list(profiles.values())
        return built

    async def _fresh(self, events: Sequence[ProtectedEvent]) -> list[ProtectedEvent]:
        first = {event.message_id: event for event in reversed(events)}
        claimed = await claim_messages(self._connection, self._workspace, first.values()) if first else set()
        return [event for event in events if event.message_id in claimed and first[event.message_id] is event]

    async def _lock(self, spoken: "_Spoken") -> tuple[dict[UUID, Profile], set[UUID]]:
        """Lock every profile that the events speak of, and make those that do not exist yet."""
        connection, workspace = self._connection, self._workspace
        profiles = await self._memory.lock(connection, workspace, spoken.seen)
        born = {profile: at for profile, at in spoken.seen.items() if profile not in profiles}
        if born:
            if await create_profiles(connection, workspace, born) != born.keys():
                raise Contended("a profile was made by another builder")
            for profile, at in born.items():
                profiles[profile] = Profile(profile, 0, {}, {}, {}, at, at)
        if await any_moved(connection, workspace, spoken.expected):
            raise Contended("a subject was merged by another builder")
        return profiles, set(born)

    async def _identify(self, spoken: "_Spoken", profiles: Mapping[UUID, Profile]) -> Resolution:
        connection, workspace = self._connection, self._workspace
        telling = spoken.telling()
        if not telling:
            return Resolution(spoken.profile_of, {}, [], [])
        counts = await count_identifiers(connection, workspace, profiles)
        people = {
            each.id: Person(each.id, each.first_seen_at, *counts.get(each.id, (1, {})), holds=each.holds)
            for each in profiles.values()
        }
        apart = await partings_in_force(connection, workspace, profiles) if len(profiles) > 1 else ()
        who = resolve(telling, spoken.profile_of, spoken.owners, people, self._definitions.identity, apart)
        if who.links and not await add_links(connection, workspace, self._everywhere(who.links)):
            raise Contended("an identifier was linked by another builder")
        if who.claims:
            await add_claims(connection, workspace, who.claims)
        if who.merges:
            await move_subjects(connection, workspace, who.merges)
            await carry_holds(connection, workspace, who.merges)
        return who

    def _everywhere(self, links: Sequence[Link]) -> list[Link]:
        """Add each link's alias under the index version that is coming, while there is one."""
        coming = [(link, self._keys.coming(link.alias)) for link in links] if self._keys else []
        return [*links, *(msgspec.structs.replace(link, alias=alias) for link, alias in coming if alias)]


class _Spoken:
    """Whom the events of a step speak of, as it stood before the locks were taken."""

    def __init__(
        self, events: Sequence[ProtectedEvent], profile_of: dict[UUID, UUID], owners: Mapping[Alias, Owner]
    ) -> None:
        self.profile_of = profile_of
        self.owners = owners
        self.expected = profile_of | {owner.subject_id: owner.profile_id for owner in owners.values()}
        self.seen: dict[UUID, datetime] = {}
        """Each profile, with the earliest event that speaks of it."""
        self.first: dict[UUID, str] = {}
        """Each profile, with the first message that speaks of it."""
        self._events = events
        for event in events:
            at = min(event.at, event.received_at)
            for profile in self._profiles(event):
                self.seen[profile] = min(at, self.seen.get(profile, at))
                self.first.setdefault(profile, event.message_id)

    def telling(self) -> list[ProtectedEvent]:
        """List the events whose weaker identifiers say anything new."""
        return [
            event
            for event in self._events
            if any(
                alias not in self.owners or self.owners[alias].profile_id != self.profile_of[event.subject]
                for alias in event.aliases[1:]
            )
        ]

    def _profiles(self, event: ProtectedEvent) -> set[UUID]:
        weaker = {self.owners[alias].profile_id for alias in event.aliases[1:] if alias in self.owners}
        return {self.profile_of[event.subject], *weaker}


def _lifted(event: ProtectedEvent, keys: WorkspaceKeys) -> ProtectedEvent:
    """Bring the identifiers of an event that was collected before a rotation to the index in force.

    Filters of likeness cannot be brought along, so they are left out.
    """
    aliases = tuple(keys.lift(alias) for alias in event.aliases)
    if event.likeness and event.likeness_version < keys.index_version:
        event = msgspec.structs.replace(event, likeness={})
    return event if aliases == event.aliases else msgspec.structs.replace(event, aliases=aliases)


def _fold(work: Work, events: Iterable[ProtectedEvent], profile_of: Mapping[UUID, UUID]) -> None:
    for event in events:
        profile = work.profiles[profile_of[event.subject]]
        index, touch, cause = work.index(profile.id), work.touch(profile.id), {"event": event.message_id}
        touch.traits(index, fold_event(profile, event, work.declared(profile.id)), cause)
        touch.event(index, event_key(event), event.properties, event_stamp(event), cause)
        work.change(profile.id)
        work.advance(profile.id)
