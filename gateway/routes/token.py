"""Tokens for a site's visitors: the site's own server asks for one, its pages use it."""

from typing import Final

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from domain.errors import Refused
from gateway.auth import END_USER_SCOPES, LONGEST_TOKEN, mint_end_user_token
from gateway.collect.decode import read_json
from gateway.collect.request import read_body
from gateway.pages import NOT_KEPT
from gateway.resources import WebRequest, resources_of


class TokenRequest(msgspec.Struct, frozen=True, rename="camel"):
    """The body: one visitor, by the site's own id or by the tag's."""

    user_id: str | None = None
    anonymous_id: str | None = None


class Token(msgspec.Struct, frozen=True, rename="camel"):
    """The answer. `expires_in` is in seconds."""

    token: str
    expires_in: int


_decode = msgspec.json.Decoder(TokenRequest).decode


async def token(request: WebRequest) -> Response:
    """Sign a token for one visitor's own profile; the secret key must hold every scope that the token gives."""
    resources = resources_of(request)
    principal = await resources.authenticator.bearer(request.headers.get("authorization"))
    if principal.is_end_user:
        raise Refused(code="wrong_kind_of_key")
    if not principal.scopes >= END_USER_SCOPES:
        raise Refused(code="missing_scope")
    visitor = read_json(_decode, await read_body(request, resources.intake))
    if bool(visitor.user_id) == bool(visitor.anonymous_id):
        raise Refused("one of userId and anonymousId is needed")
    workspace = await resources.workspaces.get(principal.workspace)
    signed = mint_end_user_token(
        workspace, anonymous_id=visitor.anonymous_id, user_id=visitor.user_id, now=resources.clock()
    )
    answer = Token(signed, int(LONGEST_TOKEN.total_seconds()))
    return Response(msgspec.json.encode(answer), headers=NOT_KEPT, media_type="application/json")


ROUTES: Final[tuple[BaseRoute, ...]] = (Route("/token", token, methods=["POST"]),)
"""`POST /token`."""
