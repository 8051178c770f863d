"""The collection routes, shaped so that stock Segment and RudderStack SDKs work by changing their host."""

import base64
import binascii
from typing import Any, Final

import msgspec
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from domain.errors import Refused, TagwayError
from domain.event import CallType
from domain.outcome import Result
from domain.pace import Quota
from gateway.collect.answer import answer
from gateway.collect.decode import Envelope, read_batch, read_json, read_single
from gateway.collect.request import LARGEST_REQUEST, read_body, read_origin, read_write_key
from gateway.errors import answer_failure
from gateway.quota import QUOTA_HEADERS, quota_headers
from gateway.resources import State, WebRequest, resources_of

CALLS: Final = {
    **{call_type.value: call_type for call_type in CallType},
    **{call_type.value[0]: call_type for call_type in CallType if call_type is not CallType.ALIAS},
    "a": CallType.ALIAS,
}
"""Paths of single calls, long and short, as `/v1/track` and `/v1/t`."""

_BATCHES: Final = frozenset({"batch", "b", "import"})
_CONSENT_HEADERS: Final = ("sec-gpc",)
_KEPT_HEADERS: Final = ("retry-after", *QUOTA_HEADERS)
_GIF: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

# A browser asks before it knows whose key it will send, so the preflight allows every origin; the key's own origins
# are held against the request itself.
_CORS: Final = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["POST", "GET"],
    allow_headers=["*"],
    expose_headers=["Retry-After", "X-Request-Id", *QUOTA_HEADERS],
    max_age=86_400,
)


async def collect(request: WebRequest) -> Response:
    """Take one call or a batch; the path says which."""
    name = request.path_params.get("call", "batch")
    if name in _BATCHES:
        return await _collect(request, None)
    if name == "m":
        # Segment's browser SDK reports figures about itself here and expects to be thanked.
        await read_body(request, resources_of(request).intake)
        return JSONResponse({"success": True})
    if name not in CALLS:
        raise Refused(code="not_found")
    return await _collect(request, CALLS[name])


async def collect_pixel(request: WebRequest) -> Response:
    """Take one call from the query of an image: the answer is that of any other call, but for its body, a GIF."""
    try:
        call_type = CALLS.get(request.path_params["call"])
        if call_type is None:
            raise Refused(code="not_found")
        with resources_of(request).intake.enter():
            results, quota = await submit(request, _read_query(request), call_type)
        told = answer(request.scope, results, quota_headers(quota))
    except TagwayError as error:
        told = await answer_failure(request, error)
    kept = {name: told.headers[name] for name in _KEPT_HEADERS if name in told.headers}
    return Response(_GIF, told.status_code, {**kept, "Cache-Control": "no-store"}, "image/gif")


async def _collect(request: WebRequest, call_type: CallType | None) -> Response:
    intake = resources_of(request).intake
    intake.look()
    body = await read_body(request, intake)
    with intake.enter():
        envelope = read_batch(body) if call_type is None else read_single(body)
        results, quota = await submit(request, envelope, call_type)
        return answer(request.scope, results, quota_headers(quota))


async def submit(
    request: HTTPConnection[State], envelope: Envelope, call_type: CallType | None
) -> tuple[list[Result], Quota]:
    """Collect what came over a connection, in the name of the write key that it shows.

    Raises what the key, its pace and `Collector.collect` raise.
    """
    resources = resources_of(request)
    with resources.tally.refusing(len(envelope.batch)):
        key = await resources.authenticator.write_key(read_write_key(request, envelope.write_key), read_origin(request))
        quota = await resources.limit.admit(key.id, len(envelope.batch), key.pace)
        results = await resources.collector.collect(
            key.workspace,
            envelope,
            call_type=call_type,
            headers={name: request.headers[name] for name in _CONSENT_HEADERS if name in request.headers},
            address=request.client.host if request.client else None,
        )
    request.scope["tagway.counts"] = resources.tally.tell(results)
    return results, quota


def _read_query(request: Request[Any]) -> Envelope:
    """Read Segment's shape (`?data=` JSON in base64), or RudderStack's (a field per name, objects as JSON)."""
    query = request.query_params
    if "data" in query:
        try:
            padded = query["data"] + "=" * (-len(query["data"]) % 4)
            return read_single(base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True))
        except (binascii.Error, ValueError) as error:
            raise Refused(code="malformed_encoding") from error
    fields = {name: value for name, value in query.items() if name != "writeKey"}
    objects = {
        name: read_json(msgspec.json.decode, fields.pop(name).encode())
        for name in ("context", "properties", "traits")
        if name in fields
    }
    body = msgspec.json.encode({**fields, **objects})
    if len(body) > LARGEST_REQUEST:
        raise Refused(code="request_too_large")
    return read_single(body)


ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/v1/{call}", collect, methods=["POST", "OPTIONS"], middleware=[_CORS]),
    Route("/beacon/v1/batch", collect, methods=["POST", "OPTIONS"], middleware=[_CORS]),
    Route("/pixel/v1/{call}", collect_pixel, methods=["GET"]),
    Route("/v1/pixel/{call}", collect_pixel, methods=["GET"]),
)
