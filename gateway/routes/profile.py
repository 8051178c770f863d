"""REST for teams without GraphQL: what the operator's own systems know of a customer, by the mutation for it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from domain.errors import Refused
from domain.key import Scope
from domain.outcome import Outcome, Result
from domain.pace import Quota
from gateway.collect.answer import answer
from gateway.collect.decode import read_json
from gateway.collect.request import read_body
from gateway.quota import quota_headers
from gateway.resources import WebRequest, resources_of
from resolvers.caller import Caller

MUTATION: Final = """mutation ($customer: String!, $traits: JSON!) {
  updated: updateProfile(input: {userId: $customer, traits: $traits}) {
    ... on UpdateProfilePayload { result { messageId outcome code message dropped } quota { atOnce left fullAfter } }
    ... on InvalidInput { code message } } }"""
"""What the route asks: the same mutation answers it and GraphQL."""


class ProfileUpdate(msgspec.Struct, frozen=True):
    """The body: one customer, and what is known of them under three headings, which all become traits."""

    customer_id: str | int
    behavioral_data: dict[str, Any] = {}
    transactional_data: dict[str, Any] = {}
    demographic_data: dict[str, Any] = {}


_decode = msgspec.json.Decoder(ProfileUpdate).decode


async def update_profile(request: WebRequest) -> Response:
    """Answer `POST /update_profile`."""
    resources = resources_of(request)
    principal = await resources.authenticator.bearer(request.headers.get("authorization"))
    if Scope.PROFILES_WRITE not in principal.scopes:
        raise Refused(code="missing_scope")
    update = read_json(_decode, await read_body(request, resources.intake))
    traits = {**update.behavioral_data, **update.transactional_data, **update.demographic_data}
    caller = Caller(principal, await resources.workspaces.keys(principal.workspace))
    variables = {"customer": str(update.customer_id), "traits": traits}
    asked = await resources.graphql.ask(caller, request.scope["tagway.request_id"], MUTATION, variables)
    updated = asked["updated"]
    if "result" not in updated:
        request.scope["tagway.counts"] = {Outcome.INVALID.value: 1}
        raise Refused(updated["message"], code=updated["code"])
    result, quota = _result(updated["result"]), updated["quota"]
    request.scope["tagway.counts"] = {result.outcome.value: 1}
    return answer(request.scope, [result], quota_headers(Quota(quota["atOnce"], quota["left"], quota["fullAfter"])))


def _result(told: Mapping[str, Any]) -> Result:
    return Result(
        told["messageId"], Outcome[told["outcome"]], told["code"], told["message"], dropped=tuple(told["dropped"])
    )


ROUTES: Final[tuple[BaseRoute, ...]] = (Route("/update_profile", update_profile, methods=["POST"]),)
