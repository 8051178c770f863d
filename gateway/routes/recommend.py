"""REST for teams without GraphQL: recommended items.

Until a model is trained both routes answer with the popular items, and say so.
"""

from typing import Annotated, Any, Final

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from domain.alias import AliasKind
from domain.errors import Refused
from domain.key import Principal, Scope
from gateway.collect.decode import read_json
from gateway.collect.request import read_body
from gateway.resources import WebRequest, resources_of
from learning.popular import Item
from privacy.pseudonym import aliases_for
from stores.persons import find_holds

SHOWN: Final = 10
HELD_BACK: Final = "At this person's wish nothing is recommended to them."
NOT_TRAINED: Final = "No model is trained yet: these are the workspace's popular items, the same for everyone."

Customer = Annotated[str, msgspec.Meta(min_length=1, max_length=500)] | int


class Ask(msgspec.Struct, frozen=True):
    """The body of `/recommend`: whom the list is for."""

    customer_id: Customer


class PersonalAsk(msgspec.Struct, frozen=True):
    """The body of `/api/personalized-recommendations`: whom the list is for, and where it will be shown."""

    customer_id: Customer
    segment: str | None = None
    context: dict[str, Any] = {}


class Recommendations(msgspec.Struct, frozen=True):
    """The answer. `strategy` names what made the list; `personalized` is true only if the person had a part in it."""

    recommendations: tuple[Item, ...]
    strategy: str
    personalized: bool
    message: str


_read_ask = msgspec.json.Decoder(Ask).decode
_read_personal_ask = msgspec.json.Decoder(PersonalAsk).decode


async def recommend(request: WebRequest) -> Response:
    """Answer `POST /recommend`."""
    principal = await _authorised(request)
    ask = read_json(_read_ask, await read_body(request))
    return await _answer(request, principal, ask.customer_id)


async def recommend_personally(request: WebRequest) -> Response:
    """Answer `POST /api/personalized-recommendations`."""
    principal = await _authorised(request)
    ask = read_json(_read_personal_ask, await read_body(request))
    return await _answer(request, principal, ask.customer_id)


async def _authorised(request: WebRequest) -> Principal:
    principal = await resources_of(request).authenticator.bearer(request.headers.get("authorization"))
    if principal.is_end_user:
        raise Refused(code="wrong_kind_of_key")
    if Scope.RECOMMENDATIONS_READ not in principal.scopes:
        raise Refused(code="missing_scope")
    return principal


async def _answer(request: WebRequest, principal: Principal, customer: Customer) -> Response:
    resources = resources_of(request)
    keys = await resources.workspaces.keys(principal.workspace)
    aliases = keys.everywhere(aliases_for(AliasKind.USER_ID, customer, keys))
    async with resources.database.workspace(principal.workspace) as connection:
        holds = await find_holds(connection, principal.workspace, aliases)
    if holds.profiling:
        answer = Recommendations((), strategy="none", personalized=False, message=HELD_BACK)
    else:
        items = await resources.popular.top(principal.workspace, SHOWN)
        answer = Recommendations(items, strategy="popular", personalized=False, message=NOT_TRAINED)
    return Response(msgspec.json.encode(answer), media_type="application/json")


ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/recommend", recommend, methods=["POST"]),
    Route("/api/personalized-recommendations", recommend_personally, methods=["POST"]),
)
