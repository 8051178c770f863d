"""One workspace's part of a batch, inside the batch's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from domain.alias import Alias
from domain.event import ProtectedEvent
from profiles.catalogue import Definitions
from profiles.identity import Limits, Person, Resolution, needs_decision, resolve
from profiles.memory import Memory
from profiles.segments.leaf import event_key, event_stamp
from profiles.traits import fold_event
from profiles.work import Work
from stores.events import claim_messages, store_events
from stores.faults import Contended
from stores.identities import (
    Owner,
    add_claims,
    add_links,
    count_identifiers,
    find_owners,
    find_profiles,
    move_subjects,
)
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
    stale: list[Alias] = []
    """Aliases of people who were merged: what is cached about them is old."""
    next_due: datetime | None = None
    profiles: list[Profile] = []
    """As they are once the transaction is committed."""


async def build_events(
    connection: Connection,
    workspace: UUID,
    events: Sequence[ProtectedEvent],
    definitions: Definitions,
    memory: Memory,
    limits: Limits,
    now: datetime,
) -> Built:
    """Build events in their order. Every builder takes its locks in the order of these steps, so none wait in a circle.

    The caller holds the definitions still. Raises `Contended` where another builder came first.
    """
    profile_of = await find_profiles(connection, workspace, {event.subject for event in events})
    known = [event for event in events if event.subject in profile_of]
    built = Built(workspace, strangers=[event for event in events if event.subject not in profile_of])
    fresh = await _fresh(connection, workspace, known)
    built.duplicates = len(known) - len(fresh)
    if not fresh:
        return built
    owners = await find_owners(connection, workspace, {alias for event in fresh for alias in event.aliases[1:]})
    profile_of = {event.subject: profile_of[event.subject] for event in fresh}
    profiles, born = await _lock(connection, workspace, memory, fresh, profile_of, owners)
    who = await _identify(connection, workspace, fresh, profile_of, owners, profiles, limits)
    await store_events(connection, workspace, fresh)
    work = Work(connection, workspace, definitions, profiles, now)
    if who.merges:
        work.merge(who.merges)
        built.stale = await profile_aliases(connection, workspace, set(who.merges.values()))
    for profile, message_id in born.items():
        if profile not in who.merges:
            work.touch(profile).birth(work.index(profile), {"event": message_id})
            work.change(profile)
    _fold(work, fresh, who.profile_of)
    await work.settle()
    built.events, built.changes, built.next_due = len(fresh), len(work.changes), work.next_due
    built.profiles = list(profiles.values())
    return built


async def _fresh(connection: Connection, workspace: UUID, events: Sequence[ProtectedEvent]) -> list[ProtectedEvent]:
    first = {event.message_id: event for event in reversed(events)}
    claimed = await claim_messages(connection, workspace, first.values()) if first else set()
    return [event for event in events if event.message_id in claimed and first[event.message_id] is event]


async def _lock(
    connection: Connection,
    workspace: UUID,
    memory: Memory,
    events: Iterable[ProtectedEvent],
    profile_of: Mapping[UUID, UUID],
    owners: Mapping[Alias, Owner],
) -> tuple[dict[UUID, Profile], dict[UUID, str]]:
    """Lock every profile that the events speak of; make those that do not exist yet, each with the message it owes that to."""
    seen: dict[UUID, datetime] = {}
    first: dict[UUID, str] = {}
    for event in events:
        at = min(event.at, event.received_at)
        spoken_of = [profile_of[event.subject]]
        spoken_of += [owners[alias].profile_id for alias in event.aliases[1:] if alias in owners]
        for profile in spoken_of:
            seen[profile] = min(at, seen.get(profile, at))
            first.setdefault(profile, event.message_id)
    profiles = await memory.lock(connection, workspace, seen)
    born = {id: at for id, at in seen.items() if id not in profiles}
    if born:
        if await create_profiles(connection, workspace, born) != born.keys():
            raise Contended("a profile was made by another builder")
        for id, at in born.items():
            profiles[id] = Profile(id, 0, {}, {}, {}, at, at, leaves={}, memberships={})
    expected = dict(profile_of) | {owner.subject_id: owner.profile_id for owner in owners.values()}
    if await find_profiles(connection, workspace, expected) != expected:
        raise Contended("a subject was merged by another builder")
    return profiles, {id: first[id] for id in born}


async def _identify(
    connection: Connection,
    workspace: UUID,
    events: Sequence[ProtectedEvent],
    profile_of: Mapping[UUID, UUID],
    owners: Mapping[Alias, Owner],
    profiles: Mapping[UUID, Profile],
    limits: Limits,
) -> Resolution:
    telling = [event for event in events if needs_decision(event, owners, profile_of[event.subject])]
    if not telling:
        return Resolution(dict(profile_of), {}, [], [])
    counts = await count_identifiers(connection, workspace, profiles)
    people = {id: Person(id, profile.first_seen_at, *counts.get(id, (1, {}))) for id, profile in profiles.items()}
    who = resolve(telling, profile_of, owners, people, limits)
    if who.links and not await add_links(connection, workspace, who.links):
        raise Contended("an identifier was linked by another builder")
    if who.claims:
        await add_claims(connection, workspace, who.claims)
    if who.merges:
        await move_subjects(connection, workspace, who.merges)
    return who


def _fold(work: Work, events: Iterable[ProtectedEvent], profile_of: Mapping[UUID, UUID]) -> None:
    for event in events:
        profile = work.profiles[profile_of[event.subject]]
        index, touch, cause = work.index(profile.id), work.touch(profile.id), {"event": event.message_id}
        touch.traits(index, fold_event(profile, event), cause)
        touch.event(index, event_key(event), event.properties, event_stamp(event), cause)
        work.change(profile.id)
