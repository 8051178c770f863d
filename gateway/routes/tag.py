"""The tag that sites embed, and the parts of it that it fetches by itself."""

import gzip
import hashlib
from functools import lru_cache
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from domain.errors import Refused
from gateway.resources import State, WebRequest, address_of, resources_of
from privacy.allowlist import allow_list
from tag_sdk.files import (
    integrity,
    part_hashes,
    part_source,
    site_tag,
    tag_manager_template,
    tag_source,
    type_declarations,
)

_MEDIA_TYPE: Final = "text/javascript; charset=utf-8"
_HOUR: Final = "public, max-age=3600"
# What a new plan allows is sent once the tag has heard of it; what it forbids is refused at once, by the gateway. A
# site's file holds the hashes of its parts too, so it must not outlive a new release by long.
_MINUTES: Final = "public, max-age=300"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_PACKED: Final = 200
"""Compressed scripts that are remembered: some 25 KB for each site, with its source."""


async def plain_tag(request: WebRequest) -> Response:
    """Serve the tag without settings: the same bytes for every site."""
    return _script(request, tag_source(), {"X-Integrity": integrity()})


async def configured_tag(request: WebRequest) -> Response:
    """Serve the tag with one site's settings inside."""
    resources = resources_of(request)
    write_key = request.path_params["write_key"]
    # Scripts are fetched without an Origin header; the key's origins are held against what the tag then sends.
    key = await resources.authenticator.write_key(write_key, None)
    given = msgspec.to_builtins(await resources.sites.of(key))
    plan = (await resources.workspaces.get(key.workspace)).plan.plan
    source = site_tag({"host": address_of(request), **given, "writeKey": write_key, "plan": allow_list(plan)})
    return _script(request, source, {"Cache-Control": _MINUTES})


async def part(request: WebRequest) -> Response:
    """Serve a part of the tag. Its address may carry the first characters of its hash, and then never changes."""
    name = f"{request.path_params['folder']}/{request.path_params['name']}"
    if name not in part_hashes():
        raise Refused(code="not_found")
    value = part_hashes()[name]
    headers = {"X-Integrity": value}
    if request.url.query and request.url.query == value.removeprefix("sha384-")[:8]:
        headers["Cache-Control"] = _FOR_EVER
    return _script(request, part_source(name), headers)


async def hashes(_request: WebRequest) -> Response:
    """List the tag and its parts with their subresource-integrity values."""
    return JSONResponse({"tag": integrity(), **part_hashes()}, headers={"Access-Control-Allow-Origin": "*"})


async def declarations(_request: WebRequest) -> Response:
    """Serve the types of the tag's API."""
    return Response(type_declarations(), media_type="text/plain; charset=utf-8", headers={"Cache-Control": _HOUR})


async def template(request: WebRequest) -> Response:
    """Serve the template that Google Tag Manager imports, with our address in its permissions."""
    headers = {"Content-Disposition": 'attachment; filename="tagway.tpl"', "Cache-Control": "no-store"}
    return Response(tag_manager_template(address_of(request)), media_type="text/plain; charset=utf-8", headers=headers)


def _script(request: Request[State], source: bytes, headers: dict[str, str]) -> Response:
    packs = _accepts_gzip(request.headers.get("accept-encoding", ""))
    tag = f'"{hashlib.sha256(source).hexdigest()[:32]}{"-gzip" if packs else ""}"'
    headers = {
        "ETag": tag,
        "Cache-Control": _HOUR,
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Vary": "Accept-Encoding",
        **headers,
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if packs:
        return Response(_packed(source), media_type=_MEDIA_TYPE, headers={**headers, "Content-Encoding": "gzip"})
    return Response(source, media_type=_MEDIA_TYPE, headers=headers)


def _accepts_gzip(accepted: str) -> bool:
    """Read `Accept-Encoding` as every browser sends it; who says anything about weights is given plain text."""
    return "gzip" in {each.strip() for each in accepted.split(",")}


@lru_cache(maxsize=_PACKED)
def _packed(source: bytes) -> bytes:
    """Compress a script once: it takes a millisecond, and every first visit of a browser asks for the same few."""
    return gzip.compress(source, mtime=0)


ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/tag.js", plain_tag, methods=["GET"]),
    Route("/tag.d.ts", declarations, methods=["GET"]),
    Route("/tag/gtm.tpl", template, methods=["GET"]),
    Route("/tag/integrity.json", hashes, methods=["GET"]),
    Route("/tag/{folder}/{name}.js", part, methods=["GET"]),
    Route("/tag/{write_key}.js", configured_tag, methods=["GET"]),
)
