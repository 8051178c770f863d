"""One GraphQL request as clients post it, read once and passed on unread where it is not of the plain kind."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Message, Receive, Scope

from domain.errors import Refused
from gateway.collect.decode import read_json

LARGEST_BODY: Final = 128 * 1024
_JSON: Final = b"application/json"
_WORDS: Final = ("query", "documentId", "operationName")
_OBJECTS: Final = ("variables", "extensions")
_STREAMS: Final = (b"text/event-stream", b"multipart/mixed")


Arriving = Callable[[], AbstractContextManager[Callable[[int], None]]]
"""Lends what is to be told the size of each part of a body, and refuses it for want of room."""


class Asked(msgspec.Struct, rename="camel"):
    """The body of a request."""

    query: str | None = None
    document_id: str | None = None
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: dict[str, Any] | None = None


class Posted:
    """The headers that count of one HTTP request."""

    __slots__ = ("accept", "authorization", "content_type", "idempotency_key", "if_none_match", "method")

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.accept = self.authorization = self.content_type = self.idempotency_key = self.if_none_match = b""
        for name, value in scope["headers"]:
            if name == b"accept":
                self.accept = value
            elif name == b"authorization":
                self.authorization = value
            elif name == b"content-type":
                self.content_type = value
            elif name == b"idempotency-key":
                self.idempotency_key = value
            elif name == b"if-none-match":
                self.if_none_match = value

    @property
    def is_json(self) -> bool:
        """Whether JSON is posted."""
        given = self.content_type
        return self.method == "POST" and (given == _JSON or given.partition(b";")[0].strip().lower() == _JSON)

    @property
    def wants_page(self) -> bool:
        """Whether a browser asks for a page to read."""
        return b"text/html" in self.accept

    def has(self, tag: str) -> bool:
        """Tell whether the client says that it holds what this entity tag names (RFC 9110, 13.1.2)."""
        held = self.if_none_match.decode("latin-1")
        return held == "*" or tag.removeprefix("W/") in (each.strip().removeprefix("W/") for each in held.split(","))

    @property
    def streams(self) -> bool:
        """Whether a stream is to answer it."""
        return bool(self.accept) and any(each in self.accept for each in _STREAMS)

    @property
    def token(self) -> str:
        """The bearer token; empty without one."""
        scheme, _, token = self.authorization.decode("latin-1").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


_decode = msgspec.json.Decoder(Asked).decode


def find_asked(posted: Posted, scope: Scope, body: bytes) -> Asked | None:
    """Find what a request asks plainly, in its body or its address; None for every other kind."""
    if posted.is_json:
        return _read_asked(body)
    return _read_queried(scope["query_string"]) if posted.method == "GET" and not posted.wants_page else None


def _read_asked(body: bytes) -> Asked | None:
    """Decode a request; None for what is none, so that it is told what is wrong with it elsewhere."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def _read_queried(query: bytes) -> Asked | None:
    """Decode a request of which the parameters of an address speak; None for what is none, as above."""
    try:
        named = dict(parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=20))
        asked: dict[str, Any] = {name: named[name] for name in _WORDS if name in named}
        asked |= {name: msgspec.json.decode(named[name]) for name in _OBJECTS if name in named}
        return msgspec.convert(asked, Asked)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError):
        return None


def read_any(data: str | bytes) -> object:
    """Decode JSON. Raises `Refused`."""
    try:
        return read_json(msgspec.json.decode, data.encode() if isinstance(data, str) else data)
    except UnicodeError as error:
        raise Refused(code="malformed_json") from error


def read_object(data: str | bytes) -> dict[str, Any] | list[Any]:
    """Decode an object or a list. Raises `Refused`."""
    try:
        found = read_any(data)
    except Refused as error:
        raise Refused(code="malformed_json") from error
    if not isinstance(found, dict | list):
        raise Refused("A request is a JSON object.")
    return found


async def read_bounded(receive: Receive, arriving: Arriving) -> bytes:
    """Read a whole body, in the room of those that are still arriving if it does not come at once.

    Raises `Refused` when it is too large, and `too_many_requests` for want of room.
    """
    body, more = await _next_part(receive)
    _check_length(body)
    if not more:
        return body
    with arriving() as take:
        take(len(body))
        while more:
            part, more = await _next_part(receive)
            body += part
            _check_length(body)
            take(len(part))
    return body


async def _next_part(receive: Receive) -> tuple[bytes, bool]:
    """Receive a part of a body, and whether there is more of it."""
    message = await receive()
    part: bytes = message.get("body", b"")
    return part, message.get("more_body", False)


def _check_length(body: bytes) -> None:
    if len(body) > LARGEST_BODY:
        raise Refused("A GraphQL request may hold at most 128 KB.", code="request_too_large")


def replayed(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read already once more, then what comes after it."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
