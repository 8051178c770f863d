"""Merging two people because somebody says so: what events may not do, a request may."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from domain.alias import Alias
from domain.errors import Refused, StoreUnavailable
from domain.identity import Decision
from profiles.catalogue import Catalogue, Definitions
from profiles.identity import Person, objection
from profiles.memory import Memory
from profiles.work import Work
from stores.changes import call_publisher
from stores.claims import Claim, add_claims, partings_in_force
from stores.faults import Contended, Unfit, transaction
from stores.history import subjects_of
from stores.identities import count_identifiers, current_profiles, move_subjects
from stores.persons import carry_holds
from stores.postgres import Connection
from stores.profiles import Profile
from stores.subjects import profile_aliases

_ATTEMPTS: Final = 10


class Deed(msgspec.Struct, frozen=True):
    """Who decides about identities, why and when."""

    actor: str
    reason: str
    at: datetime


class Outcome(msgspec.Struct, frozen=True):
    """What became of two people. Whatever is cached about `stale` is old once it is committed."""

    profile: UUID
    """The profile that stays."""
    other: UUID
    """The one that gave way, or is back."""
    stale: list[Alias]
    changes: int


Act = Callable[[Definitions], Awaitable[Outcome]]


async def merge(
    connection: Connection, workspace: UUID, profiles: tuple[UUID, UUID], deed: Deed, *, into: UUID | None = None
) -> Outcome:
    """Make two profiles one, whatever was refused or parted before; `into` names the one to stay.

    Raises `Refused` (`not_found`, `conflict`) and `StoreUnavailable`.
    """

    async def act(definitions: Definitions) -> Outcome:
        return await join(connection, workspace, definitions, profiles, deed, into=into)

    return await in_transaction(connection, workspace, act)


async def in_transaction(connection: Connection, workspace: UUID, act: Act) -> Outcome:
    """Act with the workspace's definitions held still, again where another builder came first, and tell subscribers.

    Raises `Refused` for an unknown workspace, `StoreUnavailable` where it does not come to an end.
    """
    for _ in range(_ATTEMPTS):
        try:
            async with transaction(connection):
                definitions = await Catalogue().share(connection, workspace)
                if definitions is None:
                    raise Refused(code="not_found")
                outcome = await act(definitions)
        except Contended:
            continue
        except Unfit as fault:
            raise Refused(str(fault), code="conflict") from fault
        if outcome.changes:
            await call_publisher(connection)
        return outcome
    raise StoreUnavailable("others keep changing the same people")


async def join(
    connection: Connection,
    workspace: UUID,
    definitions: Definitions,
    wanted: tuple[UUID, UUID],
    deed: Deed,
    *,
    into: UUID | None = None,
    within_limits: bool = False,
) -> Outcome:
    """Merge inside a transaction that holds the definitions. Raises as `merge`, and `Contended`.

    With `within_limits`, what limits or a parting would refuse an event is refused here too.
    """
    current = await current_profiles(connection, workspace, wanted)
    if len(current) < len(set(wanted)):
        raise Refused("there is no such profile", code="not_found")
    one, other = (current[each] for each in wanted)
    if one == other:
        raise Refused("these are one person already", code="conflict")
    profiles = await Memory().lock(connection, workspace, {one, other})
    if any(each not in profiles or profiles[each].merged_into for each in (one, other)):
        raise Contended("a profile was merged meanwhile")
    people = await _people(connection, workspace, profiles)
    winner, loser = sorted(people, key=lambda each: each.precedence(definitions.identity))
    if into is not None and current.get(into) == loser.id:
        winner, loser = loser, winner
    if winner.subjects + loser.subjects > definitions.identity.subjects:
        raise Refused(f"more than {definitions.identity.subjects} subjects", code="conflict")
    apart = [id_ for id_, *_ in await partings_in_force(connection, workspace, (one, other))]
    if within_limits and (apart or objection(winner, loser, definitions.identity)):
        raise Refused("only a request may merge these", code="conflict")
    claim = Claim(
        await _spokesman(connection, workspace, winner.id),
        await _spokesman(connection, workspace, loser.id),
        "",
        deed.at,
        Decision.MERGED,
        deed.reason,
        actor=deed.actor,
        profile_id=winner.id,
        other_profile_id=loser.id,
        held=(winner.holds, loser.holds),
        undoes=tuple(apart),
    )
    await add_claims(connection, workspace, [claim])
    merges = {loser.id: winner.id}
    await move_subjects(connection, workspace, merges)
    await carry_holds(connection, workspace, merges)
    work = Work(connection, workspace, definitions, profiles, deed.at)
    work.merge(merges)
    await work.settle()
    stale = await profile_aliases(connection, workspace, [winner.id])
    return Outcome(winner.id, loser.id, stale, len(work.changes))


async def _people(connection: Connection, workspace: UUID, profiles: dict[UUID, Profile]) -> list[Person]:
    counts = await count_identifiers(connection, workspace, profiles)
    if len(counts) < len(profiles):
        raise Refused("there is nobody behind one of the profiles", code="not_found")
    return [Person(each.id, each.first_seen_at, *counts[each.id], holds=each.holds) for each in profiles.values()]


async def _spokesman(connection: Connection, workspace: UUID, profile: UUID) -> UUID:
    """Name the subject that a claim about a profile is made of: its first one while that is there."""
    subjects = await subjects_of(connection, workspace, profile)
    return profile if profile in subjects else min(subjects)
