"""People who may be one by their names, birth dates and postcodes: listed, accepted, rejected."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import strawberry

from domain.errors import Refused
from domain.key import Scope
from profiles.catalogue import Definitions
from profiles.joining import Deed, Outcome, in_transaction, join
from resolvers.connection import First, page_size
from resolvers.context import Info
from resolvers.fields import field, mutation
from resolvers.identity import IdentityResult, decide
from resolvers.node import to_global, uuid_of
from resolvers.permissions import needs
from resolvers.problems import InvalidInput, NotFound
from stores.likeness import Candidate, decide_candidate, find_candidate, list_candidates
from stores.postgres import Connection


@strawberry.enum(description="What became of the question whether two people are one.")
class MatchStatus(StrEnum):
    """What became of the question whether two people are one."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    MERGED = "merged"


@strawberry.type
class FieldLikeness:
    """How alike two people are in one field, 0 to 1."""

    name: str
    score: float


@strawberry.type
class MatchCandidate:
    """Two profiles that may be one person's. Which values are alike is not known here, only how much."""

    id: strawberry.ID
    profile_id: strawberry.ID
    other_profile_id: strawberry.ID
    score: float = strawberry.field(description="0 to 1.")
    fields: list[FieldLikeness]
    status: MatchStatus
    found_at: datetime
    decided_at: datetime | None


@strawberry.input
class AcceptMatchInput:
    """A candidate to merge."""

    id: strawberry.ID
    reason: str
    client_mutation_id: str | None = None


@strawberry.input
class RejectMatchInput:
    """A candidate that is two people."""

    id: strawberry.ID
    client_mutation_id: str | None = None


@strawberry.type
class RejectMatchPayload:
    """The candidate as it is now. The two are not put up again."""

    candidate: MatchCandidate
    client_mutation_id: str | None


RejectMatchResult = Annotated[RejectMatchPayload | NotFound | InvalidInput, strawberry.union("RejectMatchResult")]


@strawberry.type
class MatchQueries:
    """What can be asked about people who are alike."""

    @field(needs(Scope.PROFILES_READ))
    async def match_candidates(
        self, info: Info, status: MatchStatus = MatchStatus.OPEN, first: First = 20
    ) -> list[MatchCandidate]:
        """Pairs of profiles that may be one person's, the most alike first."""
        workspace = info.context.caller.principal.workspace
        async with info.context.services.database.workspace(workspace) as connection:
            found = await list_candidates(connection, workspace, status.value, page_size(first))
        return [_candidate(each) for each in found]


@strawberry.type
class MatchMutations:
    """What can be decided about people who are alike."""

    @mutation(needs(Scope.PROFILES_WRITE))
    async def accept_match(self, info: Info, input: AcceptMatchInput) -> IdentityResult:  # noqa: A002 - Relay's name
        """Merge the two: `unmergeProfiles` takes it back."""
        workspace, candidate = info.context.caller.principal.workspace, uuid_of("MatchCandidate", input.id)

        async def act(connection: Connection, deed: Deed) -> Outcome:
            async def merge(definitions: Definitions) -> Outcome:
                found = await find_candidate(connection, workspace, candidate)
                status = MatchStatus.ACCEPTED.value
                if found is None or not await decide_candidate(
                    connection, workspace, candidate, status, actor=deed.actor, at=deed.at
                ):
                    raise Refused("there is no such open candidate", code="not_found")
                return await join(connection, workspace, definitions, (found.profile_id, found.other_profile_id), deed)

            return await in_transaction(connection, workspace, merge)

        return await decide(info, act, input.reason, input.client_mutation_id)

    @mutation(needs(Scope.PROFILES_WRITE))
    async def reject_match(self, info: Info, input: RejectMatchInput) -> RejectMatchResult:  # noqa: A002 - Relay's name
        """Say that the two are two: they are not put up again, nor merged for being alike."""
        services, principal = info.context.services, info.context.caller.principal
        candidate, now = uuid_of("MatchCandidate", input.id), info.context.services.clock()
        async with services.database.workspace(principal.workspace) as connection:
            done = await decide_candidate(
                connection, principal.workspace, candidate, MatchStatus.REJECTED.value, actor=principal.actor, at=now
            )
            found = await find_candidate(connection, principal.workspace, candidate)
        if not done or found is None:
            return NotFound(code="not_found", message="There is no such open candidate.", path=["input", "id"])
        info.context.session.saw([found.profile_id, found.other_profile_id])
        return RejectMatchPayload(candidate=_candidate(found), client_mutation_id=input.client_mutation_id)


def _candidate(found: Candidate) -> MatchCandidate:
    return MatchCandidate(
        id=to_global("MatchCandidate", found.id),
        profile_id=to_global("Profile", found.profile_id),
        other_profile_id=to_global("Profile", found.other_profile_id),
        score=found.score,
        fields=[FieldLikeness(name=name, score=score) for name, score in found.scores.items()],
        status=MatchStatus(found.status),
        found_at=found.found_at,
        decided_at=found.decided_at,
    )
