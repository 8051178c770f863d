"""Working a profile's state out again from everything that happened, by the same rules that keep it up."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from profiles.declared import Declared
from profiles.traits import NOTHING_DECLARED, STATING, fold_event, keep_newest
from stores.history import events_of, subjects_of, tallies_of
from stores.postgres import Connection
from stores.profiles import Profile
from stores.statements import Stated, read_statements

_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)


async def retrace(
    connection: Connection,
    workspace: UUID,
    profile: Profile,
    subjects: Mapping[UUID, datetime],
    declared: Declared = NOTHING_DECLARED,
) -> set[str]:
    """Set a locked profile's traits, counters and times to what the history of its subjects comes to.

    `subjects` maps each subject to when it was made. Statements that are kept though their events are gone count too.
    Returns the messages that stated traits.
    """
    fresh = Profile(profile.id, profile.version, {}, {}, {}, _NEVER, _ALWAYS)
    stating: set[str] = set()
    async for event in events_of(connection, workspace, subjects):
        fold_event(fresh, event, declared)
        if event.type in STATING:
            stating.add(event.message_id)
    for said in (await read_statements(connection, workspace, subjects)).values():
        keep_newest(fresh.sealed, said.sealed)
        keep_newest(fresh.traits, declared.unowned(said.traits))
        stating.update(each["m"] for each in (*said.traits.values(), *said.sealed.values()))
    for tally in await tallies_of(connection, workspace, subjects):
        fresh.counters[tally.name] = fresh.counters.get(tally.name, 0) + tally.many
        fresh.first_seen_at = min(fresh.first_seen_at, tally.first_at)
        fresh.last_seen_at = max(fresh.last_seen_at, tally.last_at)
    if fresh.first_seen_at is _NEVER:
        fresh.first_seen_at = fresh.last_seen_at = min(subjects.values(), default=profile.first_seen_at)
    profile.traits, profile.sealed, profile.counters = fresh.traits, fresh.sealed, fresh.counters
    profile.first_seen_at, profile.last_seen_at = fresh.first_seen_at, fresh.last_seen_at
    return stating


async def retell(connection: Connection, workspace: UUID, profile: Profile, declared: Declared) -> list[str]:
    """Set a locked profile's declared traits to what its history comes to; return the names of those that changed.

    A plain statement takes the place of a trait that is declared no longer, and gives way to one that is now.
    """
    subjects = await subjects_of(connection, workspace, profile.id)
    fresh = Profile(profile.id, profile.version, {}, {}, {}, _NEVER, _ALWAYS)
    async for event in events_of(connection, workspace, subjects):
        fold_event(fresh, event, declared)
    for said in (await read_statements(connection, workspace, subjects)).values():
        keep_newest(fresh.traits, declared.unowned(said.traits))
    told = {name: each for name, each in fresh.traits.items() if "d" in each}
    plain = {name: each for name, each in profile.traits.items() if "d" not in each and name not in declared.owned}
    back = {
        name: fresh.traits[name] for name in profile.traits.keys() - plain.keys() - told.keys() if name in fresh.traits
    }
    before, profile.traits = profile.traits, plain | back | told
    return [name for name in before.keys() | profile.traits.keys() if before.get(name) != profile.traits.get(name)]


def outliving(stated: Stated, stating: set[str]) -> Stated:
    """Give the statements of events that went before statements were kept apart by subject."""
    return {name: each for name, each in stated.items() if each.get("m") not in stating and "d" not in each}
