"""REST for teams without GraphQL: what the operator's own systems know of a customer."""

from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from domain.consent import OPERATOR
from domain.errors import Refused
from domain.event import CallType
from domain.key import Scope
from domain.outcome import Outcome
from gateway.collect.answer import answer, count
from gateway.collect.decode import read_json
from gateway.collect.request import read_body
from gateway.quota import quota_headers
from gateway.resources import WebRequest, resources_of


class ProfileUpdate(msgspec.Struct, frozen=True):
    """The body: one customer, and what is known of them under three headings, which all become traits."""

    customer_id: str | int
    behavioral_data: dict[str, Any] = {}
    transactional_data: dict[str, Any] = {}
    demographic_data: dict[str, Any] = {}


_decode = msgspec.json.Decoder(ProfileUpdate).decode


async def update_profile(request: WebRequest) -> Response:
    """Turn the body into an identify call of that customer and collect it."""
    resources = resources_of(request)
    principal = await resources.authenticator.bearer(request.headers.get("authorization"))
    if Scope.PROFILES_WRITE not in principal.scopes:
        raise Refused(code="missing_scope")
    update = read_json(_decode, await read_body(request))
    traits = {**update.behavioral_data, **update.transactional_data, **update.demographic_data}
    call = msgspec.json.encode({"userId": update.customer_id, "traits": traits})
    results, quota = await resources.entrance.take(principal, [call], CallType.IDENTIFY, (OPERATOR,))
    counts = request.scope["tagway.counts"] = count(results)
    for result in results:
        if result.outcome in (Outcome.INVALID, Outcome.TOO_LARGE):
            raise Refused(result.message, code=result.code)
    return answer(results, counts, quota_headers(quota))


ROUTES: Final[tuple[BaseRoute, ...]] = (Route("/update_profile", update_profile, methods=["POST"]),)
