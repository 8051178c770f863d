"""A cookie of the gateway's own with a visitor's anonymous id, for browsers that soon forget what scripts keep.

It only lives where the gateway is served from the site's own domain: to all others the browser never returns it.
"""

import hashlib
from typing import Annotated, Final

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.collect.decode import read_json
from gateway.collect.request import read_body
from gateway.pages import NOT_KEPT
from gateway.resources import WebRequest, resources_of

_LONGEST: Final = 400 * 24 * 3600
"""Seconds that browsers keep a cookie at most."""

AnonymousId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{8,64}\Z")]


class Visitor(msgspec.Struct, frozen=True, rename="camel"):
    """The body: the write key and the id to keep; without one, the cookie is taken back."""

    write_key: str
    anonymous_id: AnonymousId | None = None


class Kept(msgspec.Struct, frozen=True, rename="camel"):
    """The answer: the id that the cookie holds now."""

    anonymous_id: str | None


_decode = msgspec.json.Decoder(Visitor).decode
_read_id = msgspec.json.Decoder(AnonymousId).decode


async def visitor(request: WebRequest) -> Response:
    """Keep an anonymous id in a cookie that no script can read, unless there is an older one; answer with its id."""
    origin = request.headers.get("origin")
    given = read_json(_decode, await read_body(request, resources_of(request).intake))
    await resources_of(request).authenticator.write_key(given.write_key, origin)
    name = "tagway_" + hashlib.sha256(given.write_key.encode()).hexdigest()[:16]
    kept = _valid(request.cookies.get(name)) or given.anonymous_id if given.anonymous_id else None
    response = Response(msgspec.json.encode(Kept(kept)), headers=NOT_KEPT, media_type="application/json")
    if origin:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.headers["Vary"] = "Origin"
    # Where another server speaks TLS for us, the page's address tells.
    secure = "https" in (request.url.scheme, (origin or "").partition(":")[0])
    age = _LONGEST if kept else 0
    response.set_cookie(name, kept or "", max_age=age, httponly=True, secure=secure, samesite="lax")
    return response


def _valid(value: str | None) -> str | None:
    try:
        return value and _read_id(msgspec.json.encode(value))
    except msgspec.ValidationError:
        return None


ROUTES: Final[tuple[BaseRoute, ...]] = (Route("/v1/visitor", visitor, methods=["POST"]),)
"""`POST /v1/visitor`: a plain text body, so that browsers ask nothing before it."""
