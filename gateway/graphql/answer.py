"""An answer of GraphQL over HTTP: its media type, its entity tag, and whether it may be kept."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from starlette.responses import Response
from strawberry.types import ExecutionResult

from gateway.graphql.operation import Posted
from resolvers.context import Session
from resolvers.keeping import sight_tag
from resolvers.live.groups import Payload

GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
JSON: Final = "application/json"
_OK: Final = 200
_NOT_MODIFIED: Final = 304

# No cookie ever speaks for a caller, so any page may ask with a token it holds.
CORS: Final = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": (
        "authorization, content-type, idempotency-key, if-none-match, traceparent, tracestate"
    ),
    "access-control-expose-headers": "etag, retry-after",
    "access-control-allow-methods": "GET, POST",
    "access-control-max-age": "86400",
}

encode = msgspec.json.Encoder().encode


def answer(found: ExecutionResult, session: Session, posted: Posted) -> Response:
    """Answer what was executed, or that it is what the caller has already."""
    tag = _tag(found, session, posted)
    modern = GRAPHQL_RESPONSE.encode() in posted.accept
    if tag and posted.if_none_match and posted.has(tag):
        return _Answer(_NOT_MODIFIED, b"", modern=modern, caching=_caching(tag))
    caching = _caching(tag) if tag else _NOT_CACHED
    return _Answer(_OK, _encoded(found), modern=modern, caching=caching)


def media_type(accept: str) -> str:
    """Give the content type of an answer to a client that accepts this."""
    return f"{GRAPHQL_RESPONSE if GRAPHQL_RESPONSE in accept else JSON}; charset=utf-8"


def _encoded(found: ExecutionResult) -> bytes:
    if isinstance(found, Payload):
        return found.text.encode()
    answer: dict[str, Any] = {"data": found.data}
    if found.errors:
        answer["errors"] = [error.formatted for error in found.errors]
    if found.extensions:
        answer["extensions"] = found.extensions
    return encode(answer)


def _tag(found: ExecutionResult, session: Session, posted: Posted) -> str | None:
    """Give the entity tag of an answer that may be asked for again.

    What is posted has one if it is kept here, or if the client asks by a tag: hashing long lists for nobody is no use.
    """
    if isinstance(found, Payload):
        return found.tag
    if found.errors or session.released or session.caller is None:
        return None
    if posted.method == "POST" and not posted.if_none_match:
        return None
    return sight_tag(session.caller.principal, found.data)


def _caching(tag: str) -> tuple[tuple[bytes, bytes], ...]:
    """Say that only the caller may keep the answer, and has to ask each time whether it is still true."""
    return (
        (b"etag", tag.encode()),
        (b"cache-control", b"private, no-cache"),
        (b"vary", b"authorization, accept"),
    )


class _Answer(Response):
    """JSON as one of the two media types, or that nothing has changed."""

    def __init__(self, status: int, body: bytes, *, modern: bool, caching: Iterable[tuple[bytes, bytes]] = ()) -> None:
        # All that Response would work out on its own is known: the headers are made once.
        self.status_code = status
        self.background = None
        self.body = body
        length = () if status == _NOT_MODIFIED else ((b"content-length", b"%d" % len(body)),)
        self.raw_headers = [*_RAW_HEADERS[modern], *caching, *length]


_NOT_CACHED: Final = ((b"cache-control", b"no-store"),)
"""An answer may hold personal data, which no cache on the way may keep."""

_RAW_HEADERS: Final = {
    modern: [
        (b"content-type", f"{media_type}; charset=utf-8".encode()),
        *((name.encode(), value.encode()) for name, value in CORS.items()),
    ]
    for modern, media_type in ((True, GRAPHQL_RESPONSE), (False, JSON))
}
