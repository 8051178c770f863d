"""The demo shop, which only a development profile serves."""

import asyncio
from typing import Any, Final

import msgspec
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from domain.errors import Refused
from gateway.auth import mint_end_user_token
from gateway.collect.request import read_body
from gateway.pages import NOT_KEPT
from gateway.resources import Resources, WebRequest, resources_of


class _Keys(msgspec.Struct, frozen=True):
    """The part of `keys.json` that the demo needs; `tagway up` writes it."""

    write_key: str


class _TokenRequest(msgspec.Struct, frozen=True, rename="camel"):
    anonymous_id: str


async def settings(request: WebRequest) -> Response:
    """Give the shop's page its write key."""
    return JSONResponse({"writeKey": await _write_key(_require_demo(request))})


async def token(request: WebRequest) -> Response:
    """Give a visitor of the shop a token for their own profile."""
    resources = _require_demo(request)
    try:
        wanted = msgspec.json.decode(await read_body(request, resources.intake), type=_TokenRequest)
    except msgspec.MsgspecError as error:
        raise Refused("anonymousId: a text is needed") from error
    if not wanted.anonymous_id:
        raise Refused("anonymousId: a text is needed")
    key = await resources.authenticator.write_key(await _write_key(resources), None)
    workspace = await resources.workspaces.get(key.workspace)
    signed = mint_end_user_token(workspace, anonymous_id=wanted.anonymous_id, now=resources.clock())
    return JSONResponse({"token": signed}, headers=NOT_KEPT)


def _require_demo(request: WebRequest) -> Resources:
    resources = resources_of(request)
    if resources.settings.profile != "dev":
        raise Refused(code="not_found")
    return resources


async def _write_key(resources: Resources) -> str:
    def read() -> Any:
        return msgspec.json.decode((resources.settings.data / "keys.json").read_bytes(), type=_Keys)

    try:
        keys: _Keys = await asyncio.to_thread(read)
    except (OSError, msgspec.MsgspecError) as error:
        raise Refused("the demo needs the keys that `tagway up` makes", code="not_found") from error
    return keys.write_key


ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/demo/settings.json", settings, methods=["GET"]),
    Route("/demo/token", token, methods=["POST"]),
)
