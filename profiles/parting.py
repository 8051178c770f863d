"""Taking a merge back: its people are two again, each as if the merge had never been.

The merges that are in force hold the subjects of a profile together as the branches of a tree do. Without one of them
the tree is two; whatever hangs on the far side goes with it. The state of both is then what their own history comes to,
and the two are kept apart from then on.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from domain.errors import Refused
from domain.identity import Decision
from domain.request import Holds
from profiles.catalogue import Definitions
from profiles.joining import Deed, Outcome, in_transaction
from profiles.memory import Memory
from profiles.retrace import outliving, retrace
from profiles.work import Work
from stores.claims import Claim, Edge, StoredClaim, add_claims, find_claim, merges_in_force
from stores.faults import Contended
from stores.history import entries_ended_by, subjects_of
from stores.identities import find_profiles, point_subjects
from stores.persons import save_holds
from stores.postgres import Connection
from stores.profiles import Profile, create_profiles
from stores.subjects import profile_aliases


async def unmerge(connection: Connection, workspace: UUID, claim: int, deed: Deed) -> Outcome:
    """Take the merge of a claim back. Raises `Refused` (`not_found`, `conflict`) and `StoreUnavailable`."""

    async def act(definitions: Definitions) -> Outcome:
        return await part(connection, workspace, definitions, claim, deed)

    return await in_transaction(connection, workspace, act)


async def part(connection: Connection, workspace: UUID, definitions: Definitions, claim_id: int, deed: Deed) -> Outcome:
    """Take a merge back inside a transaction that holds the definitions. Raises as `unmerge`, and `Contended`."""
    claim = await find_claim(connection, workspace, claim_id)
    if claim is None or claim.decision is not Decision.MERGED:
        raise Refused("there is no such merge", code="not_found")
    if claim.undone:
        raise Refused("this merge is taken back already", code="conflict")
    staying, subjects, profiles = await _lock(connection, workspace, claim.subject_id)
    edges = await merges_in_force(connection, workspace, staying)
    moved = far_side(edges, claim, staying)
    back = _return(claim, moved, profiles)
    if back not in profiles:
        await create_profiles(connection, workspace, {back: subjects[back]})
        profiles[back] = Profile(back, 0, {}, {}, {}, subjects[back], subjects[back])
    await point_subjects(connection, workspace, moved, back)
    work = Work(connection, workspace, definitions, profiles, deed.at)
    for id_, profile in profiles.items():
        successor = None if id_ in (staying, back) else back if id_ in moved else staying
        if profile.merged_into != successor or successor is None:
            profile.merged_into = successor
            work.change(id_)
    await _restore(connection, workspace, work, (profiles[staying], profiles[back]), subjects, moved)
    await _give_back_holds(connection, workspace, claim, profiles[staying], profiles[back])
    for id_, other in ((staying, back), (back, staying)):
        await _judge(connection, workspace, work, id_, other)
    parted = Claim(
        claim.subject_id,
        claim.other_subject_id,
        "",
        deed.at,
        Decision.PARTED,
        deed.reason,
        actor=deed.actor,
        profile_id=staying,
        other_profile_id=back,
        undoes=(claim.id,),
    )
    await add_claims(connection, workspace, [parted])
    await work.settle()
    stale = await profile_aliases(connection, workspace, [staying, back])
    return Outcome(staying, back, stale, len(work.changes))


def far_side(edges: Collection[Edge], claim: StoredClaim, staying: UUID) -> set[UUID]:
    """Name the subjects that a merge brought to a profile, with all that came by them later.

    Of the two sides the one without the profile's own first subject; where that is gone, the one that gave way.
    """
    near: dict[UUID, set[UUID]] = defaultdict(set)
    for id_, one, other in edges:
        if id_ != claim.id:
            near[one].add(other)
            near[other].add(one)
    sides = [_reach(near, start) for start in (claim.subject_id, claim.other_subject_id)]
    if claim.other_subject_id in sides[0]:
        raise Refused("other merges hold the two together as well: take these back first", code="conflict")
    if staying in sides[0]:
        return sides[1]
    if staying in sides[1] or claim.other_profile_id in sides[0]:
        return sides[0]
    return sides[1]


def _reach(near: Mapping[UUID, set[UUID]], start: UUID) -> set[UUID]:
    found, waiting = {start}, [start]
    while waiting:
        fresh = near.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return found


def _return(claim: StoredClaim, moved: Collection[UUID], profiles: Mapping[UUID, Profile]) -> UUID:
    """Choose the profile that carries the moved subjects: the one that gave way, else the first of theirs."""
    if claim.other_profile_id is not None and claim.other_profile_id in moved:
        return claim.other_profile_id
    known = [profiles[each] for each in moved if each in profiles]
    return min(known, key=lambda each: (each.first_seen_at, each.id)).id if known else min(moved)


async def _lock(
    connection: Connection, workspace: UUID, subject: UUID
) -> tuple[UUID, dict[UUID, datetime], dict[UUID, Profile]]:
    """Lock the profile that carries a subject, and every one whose first subject it carries."""
    profile = (await find_profiles(connection, workspace, [subject]))[subject]
    subjects = await subjects_of(connection, workspace, profile)
    profiles = await Memory().lock(connection, workspace, {profile, *subjects})
    if profile not in profiles or await subjects_of(connection, workspace, profile, hold=True) != subjects:
        raise Contended("a subject was merged by a builder")
    return profile, subjects, profiles


async def _restore(
    connection: Connection,
    workspace: UUID,
    work: Work,
    two: tuple[Profile, Profile],
    subjects: Mapping[UUID, datetime],
    moved: Collection[UUID],
) -> None:
    staying, back = two
    traits, sealed = dict(staying.traits), dict(staying.sealed)
    of_back = {id_: at for id_, at in subjects.items() if id_ in moved}
    of_staying = {id_: at for id_, at in subjects.items() if id_ not in moved}
    stating = await retrace(connection, workspace, staying, of_staying, work.declared(staying.id))
    stating |= await retrace(connection, workspace, back, of_back, work.declared(back.id))
    for name, statement in outliving(traits, stating).items():
        # One that does not say whose it is stays where it is.
        owner = back if "subject" in statement and UUID(statement["subject"]) in moved else staying
        owner.traits.setdefault(name, statement)
    for name, statement in outliving(sealed, stating).items():
        owner = back if UUID(statement["subject"]) in moved else staying
        owner.sealed.setdefault(name, statement)


async def _give_back_holds(
    connection: Connection, workspace: UUID, claim: StoredClaim, staying: Profile, back: Profile
) -> None:
    """Let each hold back what it did before; where more was asked meanwhile, by whomever, both do."""
    before = msgspec.convert(claim.held, tuple[Holds, Holds] | None)
    if before and claim.profile_id == staying.id and staying.holds == before[0].joined(before[1]):
        staying.holds, back.holds = before
    else:
        back.holds = back.holds.joined(staying.holds)
    for profile in (staying, back):
        await save_holds(connection, workspace, profile.id, profile.holds)


async def _judge(connection: Connection, workspace: UUID, work: Work, profile: UUID, other: UUID) -> None:
    """Judge everything from history; what only the merge had ended goes on from when it had begun."""
    index, touch = work.index(profile), work.restart(profile, {"unmerge": str(other)})
    for segment, entry in (await entries_ended_by(connection, workspace, profile, {"merge": str(other)})).items():
        if segment in index.segments and segment not in work.profiles[profile].memberships:
            touch.causes[index.segments[segment]] = entry.cause
            touch.instants[index.segments[segment]] = entry.at
