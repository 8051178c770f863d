"""Holding back what a person does not want used: restriction, objection, sensitive fields, and sale."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from domain.consent import Consent, Purpose, State
from domain.request import Holds, Request, RequestKind
from profiles.catalogue import Catalogue
from profiles.memory import Memory
from profiles.rights.case import Case, Counts
from profiles.work import Work
from stores.consents import Statement, store_consents
from stores.persons import save_holds
from stores.profiles import create_profiles
from stores.subject_cache import SubjectCache
from stores.subjects import profile_aliases

SOLD: Final = (Purpose.SALE_OR_SHARE, Purpose.ADVERTISING)
"""What an opt-out of sale refuses: sharing for advertising is a sale in the words of the law."""


class Hold:
    """Sets or lifts what is held back, and lets the person out of every segment, or in again."""

    def __init__(self, catalogue: Catalogue, memory: Memory) -> None:
        self._catalogue = catalogue
        self._memory = memory

    async def __call__(self, case: Case) -> Counts:
        """Apply the request to the profile; of someone never seen there is nothing to hold back."""
        connection, workspace = case.connection, case.request.workspace
        definitions = await self._catalogue.share(connection, workspace)
        found = await case.person()
        if not found.profiles or definitions is None:
            return {"profiles": 0}
        profile_id = found.profiles[0]
        # Known to a gateway, but not built yet: what comes later must find the mark.
        await create_profiles(connection, workspace, {profile_id: case.now})
        profiles = await self._memory.lock(connection, workspace, [profile_id])
        profile = profiles[profile_id]
        profile.holds = apply(case.request.kind, profile.holds, case.request.received_at)
        await save_holds(connection, workspace, profile_id, profile.holds)
        work = Work(connection, workspace, definitions, profiles, case.now)
        cause = {"request": case.request.kind.value}
        if profile.holds.profiling:
            for membership in list(profile.memberships.values()):
                work.leave(profile_id, membership, case.now, cause)
        else:
            work.touch(profile_id).everything(work.index(profile_id), cause)
        work.change(profile_id)
        await work.settle()
        return {"profiles": 1, "segments": len(work.changes)}


def apply(kind: RequestKind, holds: Holds, at: datetime) -> Holds:
    """Give what is held back after a request: an earlier date stays, a lifted restriction goes."""
    match kind:
        case RequestKind.RESTRICT:
            return msgspec.structs.replace(holds, restricted_at=holds.restricted_at or at)
        case RequestKind.LIFT:
            return msgspec.structs.replace(holds, restricted_at=None)
        case RequestKind.OBJECT:
            return msgspec.structs.replace(holds, objected_at=holds.objected_at or at)
        case _:
            return msgspec.structs.replace(holds, limited_at=holds.limited_at or at)


async def refuse_sale(case: Case) -> Counts:
    """Store the refusal for every subject of the person. Of someone never seen nothing is kept, so nothing is sold."""
    found = await case.person()
    statements = [_refusal(case.request, subject, purpose) for subject in found.subjects for purpose in SOLD]
    await store_consents(case.connection, case.request.workspace, statements)
    return {"subjects": len(found.subjects)}


class ForgetCached:
    """Drops what gateways have cached of the person, so that their next event meets the new word."""

    def __init__(self, cache: SubjectCache) -> None:
        self._cache = cache

    async def __call__(self, case: Case) -> Counts:
        """Drop the entries of all their identifiers."""
        found = await case.person()
        aliases = await profile_aliases(case.connection, case.request.workspace, found.profiles)
        await self._cache.drop(case.request.workspace, aliases)
        return {"entries": len(aliases)}


def _refusal(request: Request, subject: UUID, purpose: Purpose) -> Statement:
    consent = Consent(purpose, State.DENIED, f"request:{request.id}", request.received_at)
    return Statement(subject, consent)
