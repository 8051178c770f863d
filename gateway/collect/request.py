"""What the collection routes share before any event is looked at: content type, size, encoding, credentials."""

import base64
import binascii
import re
import zlib
from typing import Any, Final

from starlette.requests import ClientDisconnect, HTTPConnection, Request

from domain.errors import Refused
from gateway.collect.intake import Intake
from gateway.patience import arrived

LARGEST_REQUEST: Final = 500 * 1024
"""Bytes of a body, packed and unpacked alike."""

_MEDIA_TYPES: Final = {"", "application/json", "text/plain"}
_ORIGIN: Final = re.compile(r"https?://[^/?#@]+")
_GZIP: Final = 16 + zlib.MAX_WBITS


async def read_body(request: Request[Any], intake: Intake) -> bytes:
    """Read the whole body, unpacked, without ever holding more than its limit, or than `intake` has room for.

    Browsers send `text/plain`, or no content type, so that no preflight comes before each batch. Raises `Refused`:
    `unsupported_media_type`, `request_too_large`, `malformed_encoding`, `request_timeout` or `too_many_requests`.
    """
    _check_media_type(request.headers.get("content-type", ""))
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        raise Refused(code="unsupported_media_type")
    if int(_length(request)) > LARGEST_REQUEST:
        raise Refused(code="request_too_large")
    try:
        body = await arrived(_receive(request, intake))
    except ClientDisconnect as error:
        raise Refused(code="request_timeout") from error
    return unpack(body) if encoding == "gzip" else body


def unpack(packed: bytes) -> bytes:
    """Undo gzip up to the limit of a body, however much more a bomb holds. Raises `Refused` as `read_body` does."""
    decompressor = zlib.decompressobj(_GZIP)
    try:
        body = decompressor.decompress(packed, LARGEST_REQUEST + 1)
    except zlib.error as error:
        raise Refused(code="malformed_encoding") from error
    if len(body) > LARGEST_REQUEST:
        raise Refused(code="request_too_large")
    if not decompressor.eof or decompressor.unused_data:
        raise Refused(code="malformed_encoding")
    return body


def read_write_key(request: HTTPConnection[Any], in_body: str | None) -> str:
    """Find the write key: as user of Basic, in the body, in the query, or as Bearer token, in this order.

    Raises `Refused`: `missing_key`, or `invalid_request` when the header cannot be read.
    """
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    scheme = scheme.lower()
    key = _basic_user(credentials) if scheme == "basic" else None
    key = key or in_body or request.query_params.get("writeKey")
    if not key and scheme == "bearer":
        key = credentials.strip()
    if not key:
        raise Refused(code="missing_key")
    return key


def read_origin(request: HTTPConnection[Any]) -> str | None:
    """Tell which site a request comes from: by `Origin`, else by the `Referer` of an image; None outside browsers."""
    referrer = _ORIGIN.match(request.headers.get("referer", ""))
    return request.headers.get("origin", referrer and referrer[0])


async def _receive(request: Request[Any], intake: Intake) -> bytes:
    chunks: list[bytes] = []
    size = 0
    with intake.arriving() as take:
        async for chunk in request.stream():
            size += len(chunk)
            if size > LARGEST_REQUEST:
                raise Refused(code="request_too_large")
            take(len(chunk))
            chunks.append(chunk)
    return b"".join(chunks)


def _length(request: Request[Any]) -> str:
    length = request.headers.get("content-length", "0")
    return length if length.isdecimal() else "0"


def _check_media_type(value: str) -> None:
    media_type = value.partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES and not media_type.endswith("+json"):
        raise Refused(code="unsupported_media_type")


def _basic_user(credentials: str) -> str:
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refused("the Authorization header is not valid Basic", code="invalid_request") from error
