"""The roots that are about requests: how people ask, and how those who answer for the data follow it."""

from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from domain.key import Scope
from domain.request import Regime, RequestKind, RequestStatus
from privacy.scrub import scrub
from resolvers.connection import After, Connection, First
from resolvers.context import Info
from resolvers.disclosure import unnamed
from resolvers.fields import field, mutation
from resolvers.permissions import needs
from resolvers.problems import InvalidInput, NotFound
from resolvers.profile import ProfileBy, said_in
from resolvers.request import PrivacyRequest
from resolvers.taking import Asked, extend, find_request, list_requests, take


@strawberry.input
class OpenPrivacyRequestInput:
    """What a person asks for. End users leave `by` out and mean themselves."""

    kind: RequestKind
    by: ProfileBy | None = None
    regime: Regime = Regime.GDPR
    reason: str = ""
    traits: JSON | None = strawberry.field(default=None, description="For RECTIFY: the new values by name.")
    client_mutation_id: str | None = None


@strawberry.input
class ExtendPrivacyRequestInput:
    """A longer period, as the law allows once, told to the person with the reason."""

    id: strawberry.ID
    reason: str
    client_mutation_id: str | None = None


@strawberry.type
class PrivacyRequestPayload:
    """The request as it stands now."""

    request: PrivacyRequest
    client_mutation_id: str | None


OpenPrivacyRequestResult = Annotated[
    PrivacyRequestPayload | InvalidInput | NotFound, strawberry.union("OpenPrivacyRequestResult")
]
ExtendPrivacyRequestResult = Annotated[
    PrivacyRequestPayload | InvalidInput | NotFound, strawberry.union("ExtendPrivacyRequestResult")
]


@strawberry.type
class PrivacyRequestQueries:
    """The part of the root that is about requests."""

    @field(needs(Scope.PRIVACY_ADMIN))
    async def privacy_requests(
        self, info: Info, first: First = 20, after: After = None, status: RequestStatus | None = None
    ) -> Connection[PrivacyRequest]:
        """All requests, the newest first, or those in one status."""
        return await list_requests(info, first, after, status)

    @field(needs(end_users=True))
    async def privacy_request(self, info: Info, id: strawberry.ID) -> PrivacyRequest | None:  # noqa: A002 - Relay's name
        """One request. End users find their own only."""
        return await find_request(info, id)


@strawberry.type
class PrivacyRequestMutations:
    """The part of the root that opens requests."""

    @mutation(needs(end_users=True))
    async def open_privacy_request(
        self,
        info: Info,
        input: OpenPrivacyRequestInput,  # noqa: A002 - Relay's name
    ) -> OpenPrivacyRequestResult:
        """Take a request; the builder works on it at once. Keys need `privacy:admin`, end users ask for themselves."""
        principal = info.context.caller.principal
        themselves = [each for each in (principal.user_id, principal.anonymous_id) if each]
        reason = unnamed(input.reason.strip(), [*said_in(input.by), *themselves])
        asked = Asked(input.kind, input.by, input.regime, reason, input.traits)
        opened = await take(info, asked)
        return _payload(opened, input.client_mutation_id) if isinstance(opened, PrivacyRequest) else opened

    @mutation(needs(Scope.PRIVACY_ADMIN))
    async def extend_privacy_request(
        self,
        info: Info,
        input: ExtendPrivacyRequestInput,  # noqa: A002 - Relay's name
    ) -> ExtendPrivacyRequestResult:
        """Put off the due date, once, within the first period and with a reason."""
        extended = await extend(info, input.id, scrub(input.reason.strip()))
        return _payload(extended, input.client_mutation_id) if isinstance(extended, PrivacyRequest) else extended


def _payload(request: PrivacyRequest, client_mutation_id: str | None) -> PrivacyRequestPayload:
    return PrivacyRequestPayload(request=request, client_mutation_id=client_mutation_id)
