"""REST for teams without GraphQL: recommended items, by the same plan that answers it there."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from domain.errors import Refused
from domain.key import Principal
from gateway.collect.decode import read_json
from gateway.collect.request import read_body
from gateway.pages import NOT_KEPT
from gateway.resources import WebRequest, resources_of
from learning.lists import Context
from resolvers.caller import Caller
from resolvers.recommendation import read_context

SHOWN: Final = 10
MESSAGES: Final = {
    True: "Made for this person from what they did lately.",
    False: "The person is unknown, has not agreed to personalisation, or nothing is known of their taste: "
    "these items are trending, the same for everyone.",
}

QUERY: Final = """query ($customer: String!, $first: Int!, $context: RecommendationContext) {
  list: recommendations(by: {externalId: $customer}, first: $first, context: $context) {
    listId strategy personalized modelVersion
    nodes { position item { productId name price } reason { text } } } }"""
"""What both routes ask: the same plan answers them and GraphQL."""

Customer = Annotated[str, msgspec.Meta(min_length=1, max_length=500)] | int


class CustomerAsk(msgspec.Struct, frozen=True):
    """The body of `/recommend`: whom the list is for."""

    customer_id: Customer


class PersonalAsk(msgspec.Struct, frozen=True):
    """The body of `/api/personalized-recommendations`: whom the list is for, and where it will be shown."""

    customer_id: Customer
    segment: str | None = None
    context: dict[str, Any] = {}


class Line(msgspec.Struct, frozen=True):
    """One recommended item, best first. `score` falls from 1 with the place."""

    product_id: str
    score: float
    reason: str
    name: str | None
    price: float | None


class Recommendations(msgspec.Struct, frozen=True):
    """The answer. `strategy` names what made the list; `personalized` is true only if the person had a part in it."""

    recommendations: tuple[Line, ...]
    list_id: str
    strategy: str
    personalized: bool
    model_version: int | None
    message: str


_read_ask = msgspec.json.Decoder(CustomerAsk).decode
_read_personal_ask = msgspec.json.Decoder(PersonalAsk).decode
_PLACES: Final = ("page_type", "device", "placement")


async def recommend(request: WebRequest) -> Response:
    """Answer `POST /recommend`."""
    principal = await _authorised(request)
    ask = read_json(_read_ask, await read_body(request, resources_of(request).intake))
    return await _answer(request, principal, ask.customer_id, Context())


async def recommend_personally(request: WebRequest) -> Response:
    """Answer `POST /api/personalized-recommendations`."""
    principal = await _authorised(request)
    ask = read_json(_read_personal_ask, await read_body(request, resources_of(request).intake))
    named = {name: value for name, value in ask.context.items() if name in _PLACES}
    return await _answer(request, principal, ask.customer_id, read_context({**named, "segment": ask.segment}))


async def _authorised(request: WebRequest) -> Principal:
    principal = await resources_of(request).authenticator.bearer(request.headers.get("authorization"))
    if principal.is_end_user:
        raise Refused(code="wrong_kind_of_key")
    return principal


async def _answer(request: WebRequest, principal: Principal, customer: Customer, context: Context) -> Response:
    resources = resources_of(request)
    caller = Caller(principal, await resources.workspaces.keys(principal.workspace))
    variables = {"customer": str(customer), "first": SHOWN, "context": _context(context)}
    found = (await resources.graphql.ask(caller, request.scope["tagway.request_id"], QUERY, variables))["list"]
    answer = Recommendations(
        recommendations=tuple(_line(each) for each in found["nodes"]),
        list_id=found["listId"],
        strategy=found["strategy"].lower(),
        personalized=found["personalized"],
        model_version=found["modelVersion"],
        message=MESSAGES[found["personalized"]],
    )
    return Response(msgspec.json.encode(answer), headers=NOT_KEPT, media_type="application/json")


def _context(context: Context) -> dict[str, str | None]:
    return {
        "pageType": context.page_type,
        "device": context.device,
        "placement": context.placement,
        "segment": context.segment,
    }


def _line(node: Mapping[str, Any]) -> Line:
    item = node["item"]
    score = round(1 / node["position"], 4)
    return Line(item["productId"], score, node["reason"]["text"], item["name"], item["price"])


ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/recommend", recommend, methods=["POST"]),
    Route("/api/personalized-recommendations", recommend_personally, methods=["POST"]),
)
