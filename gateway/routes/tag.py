"""The tag that sites embed."""

import hashlib
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.resources import State, WebRequest, address_of, resources_of
from privacy.allowlist import allow_list
from tag_sdk.files import integrity, site_tag, tag_source

_MEDIA_TYPE: Final = "text/javascript; charset=utf-8"
_HOUR: Final = "public, max-age=3600"
# What a new plan allows is sent once the tag has heard of it; what it forbids is refused at once, by the gateway.
_MINUTES: Final = "public, max-age=300"


async def plain_tag(request: WebRequest) -> Response:
    """Serve the tag without settings: the same bytes for every site."""
    return _script(request, tag_source(), {"X-Integrity": integrity()})


async def configured_tag(request: WebRequest) -> Response:
    """Serve the tag with one site's settings inside."""
    resources = resources_of(request)
    write_key = request.path_params["write_key"]
    # Scripts are fetched without an Origin header; the key's origins are held against what the tag then sends.
    key = await resources.authenticator.write_key(write_key, None)
    plan = (await resources.workspaces.get(key.workspace)).plan.plan
    source = site_tag({"writeKey": write_key, "host": address_of(request), "plan": allow_list(plan)})
    return _script(request, source, {"Cache-Control": _MINUTES})


def _script(request: Request[State], source: bytes, headers: dict[str, str]) -> Response:
    tag = f'"{hashlib.sha256(source).hexdigest()[:32]}"'
    headers = {
        "ETag": tag,
        "Cache-Control": _HOUR,
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
        **headers,
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(source, media_type=_MEDIA_TYPE, headers=headers)


ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/tag.js", plain_tag, methods=["GET"]),
    Route("/tag/{write_key}.js", configured_tag, methods=["GET"]),
)
