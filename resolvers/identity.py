"""Who is who: the ledger of claims, the rules that decide on them, and merges made and taken back by request."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from domain.alias import AliasKind
from domain.errors import Refused
from domain.identity import Decision
from domain.key import Scope
from profiles.joining import Deed, Outcome, merge
from profiles.parting import unmerge
from resolvers.connection import First, page_size
from resolvers.context import Info
from resolvers.disclosure import read_reason
from resolvers.fields import field, mutation
from resolvers.forgetting import forget_cached
from resolvers.node import from_global, to_global, uuid_of
from resolvers.permissions import needs
from resolvers.problems import InvalidInput, NotFound
from resolvers.profile import Profile, profile_of
from stores.claims import StoredClaim, list_claims
from stores.identities import current_profiles
from stores.postgres import Connection

strawberry.enum(Decision, name="IdentityDecision", description="What was made of a claim.")


@strawberry.type
class IdentityClaim:
    """That two identifiers were said to be one person's, and what was made of it. Identifiers are never shown."""

    id: strawberry.ID
    decision: Decision
    reason: str | None = strawberry.field(description="Why it was refused, or why somebody decided so.")
    by: AliasKind | None = strawberry.field(description="The kind of the stronger identifier.")
    kind: AliasKind | None = strawberry.field(description="The kind of the one that was seen with it.")
    message_id: str | None = strawberry.field(description="The event that said so.")
    actor: str = strawberry.field(description="`event`, `match`, `cli`, or the key that asked.")
    at: datetime
    profile_id: strawberry.ID | None = strawberry.field(description="The profile that stayed.")
    other_profile_id: strawberry.ID | None = strawberry.field(description="The one that gave way, or came back.")
    undone: bool = strawberry.field(description="Whether a later claim takes it back.")


@strawberry.input
class MergeProfilesInput:
    """Two profiles of one person."""

    profile_id: strawberry.ID
    other_profile_id: strawberry.ID
    into: strawberry.ID | None = strawberry.field(
        default=None, description="The one of them to stay; left out, whoever has the strongest identifier."
    )
    reason: str
    client_mutation_id: str | None = None


@strawberry.input
class UnmergeProfilesInput:
    """A merge to take back: that of a claim, or the newest of a profile."""

    claim_id: strawberry.ID | None = None
    profile_id: strawberry.ID | None = None
    reason: str
    client_mutation_id: str | None = None


@strawberry.type
class IdentityPayload:
    """What became of two profiles."""

    profile: Profile = strawberry.field(description="The one that stays.")
    other: Profile | None = strawberry.field(description="The one that is back, after a merge was taken back.")
    client_mutation_id: str | None


IdentityResult = Annotated[IdentityPayload | InvalidInput | NotFound, strawberry.union("IdentityResult")]


@strawberry.type
class IdentityQueries:
    """What can be asked about who is who."""

    @field(needs(Scope.PROFILES_READ))
    async def identity_claims(
        self,
        info: Info,
        profile_id: strawberry.ID | None = None,
        decisions: list[Decision] | None = None,
        before: strawberry.ID | None = None,
        first: First = 20,
    ) -> list[IdentityClaim]:
        """The ledger of claims, the newest first: of one profile or of all, `before` a claim."""
        workspace = info.context.caller.principal.workspace
        async with info.context.services.database.workspace(workspace) as connection:
            profile = None
            if profile_id is not None:
                asked = uuid_of("Profile", profile_id)
                profile = (await current_profiles(connection, workspace, [asked])).get(asked, asked)
            found = await list_claims(
                connection,
                workspace,
                profile=profile,
                decisions=tuple(Decision) if decisions is None else decisions,
                before=None if before is None else _claim_id(before),
                limit=page_size(first),
            )
        return [_claim(each) for each in found]


@strawberry.type
class IdentityMutations:
    """What can be changed about who is who."""

    @mutation(needs(Scope.PROFILES_WRITE))
    async def merge_profiles(self, info: Info, input: MergeProfilesInput) -> IdentityResult:  # noqa: A002 - Relay's name
        """Make two profiles one, also two users, and two that were parted."""
        pair = (uuid_of("Profile", input.profile_id), uuid_of("Profile", input.other_profile_id))
        into = None if input.into is None else uuid_of("Profile", input.into)
        workspace = info.context.caller.principal.workspace

        async def act(connection: Connection, deed: Deed) -> Outcome:
            return await merge(connection, workspace, pair, deed, into=into)

        return await decide(info, act, input.reason, input.client_mutation_id)

    @mutation(needs(Scope.PROFILES_WRITE))
    async def unmerge_profiles(self, info: Info, input: UnmergeProfilesInput) -> IdentityResult:  # noqa: A002 - Relay's name
        """Take a merge back: both are as if it had never been, and are kept apart from then on."""
        workspace = info.context.caller.principal.workspace

        async def act(connection: Connection, deed: Deed) -> Outcome:
            return await unmerge(connection, workspace, await _merge_of(connection, info, input), deed)

        return await decide(info, act, input.reason, input.client_mutation_id)


async def decide(
    info: Info, act: Callable[[Connection, Deed], Awaitable[Outcome]], reason: str, client_mutation_id: str | None
) -> IdentityPayload | InvalidInput | NotFound:
    """Act for the caller, and forget what gateways have cached of the people."""
    services, principal = info.context.services, info.context.caller.principal
    checked = read_reason(reason, [])
    if isinstance(checked, InvalidInput):
        return checked
    try:
        async with services.database.workspace(principal.workspace) as connection:
            outcome = await act(connection, Deed(principal.actor, checked, services.clock()))
    except Refused as error:
        kind = NotFound if error.code == "not_found" else InvalidInput
        return kind(code=error.code, message=str(error), path=["input"])
    await forget_cached(info, outcome.stale)
    info.context.forget()
    row = await info.context.loaders.profile.load(outcome.profile)
    other = await info.context.loaders.profile.load(outcome.other)
    if row is None:
        return NotFound(code="not_found", message="There is no such profile.", path=["input"])
    return IdentityPayload(
        profile=profile_of(row),
        other=profile_of(other) if other and other.id != row.id else None,
        client_mutation_id=client_mutation_id,
    )


async def _merge_of(connection: Connection, info: Info, asked: UnmergeProfilesInput) -> int:
    if asked.claim_id is not None:
        return _claim_id(asked.claim_id)
    if asked.profile_id is None:
        raise Refused("Name a claim or a profile.")
    workspace, profile = info.context.caller.principal.workspace, uuid_of("Profile", asked.profile_id)
    current = (await current_profiles(connection, workspace, [profile])).get(profile, profile)
    found = await list_claims(connection, workspace, profile=current, decisions=[Decision.MERGED], limit=100)
    newest = next((each for each in found if not each.undone), None)
    if newest is None:
        raise Refused("Nobody was merged into this profile.", code="not_found")
    return newest.id


def _claim(stored: StoredClaim) -> IdentityClaim:
    return IdentityClaim(
        id=to_global("IdentityClaim", str(stored.id)),
        decision=stored.decision,
        reason=stored.reason,
        by=stored.by_kind,
        kind=stored.kind,
        message_id=stored.message_id or None,
        actor=stored.actor,
        at=stored.at,
        profile_id=_profile_id(stored.profile_id),
        other_profile_id=_profile_id(stored.other_profile_id),
        undone=stored.undone,
    )


def _claim_id(text: str) -> int:
    named, id_ = from_global(text)
    if named != "IdentityClaim" or not id_.isdecimal():
        raise Refused("This is not the id of an IdentityClaim.")
    return int(id_)


def _profile_id(profile: UUID | None) -> strawberry.ID | None:
    return None if profile is None else to_global("Profile", profile)
