"""Errors as the web shows them: JSON with `code` and `message`, from the one table."""

from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import FAILURES, TagwayError
from domain.pace import TooManyEvents
from gateway.quota import quota_headers

_BY_STATUS: Final = {404: "not_found", 405: "method_not_allowed"}

_encode = msgspec.json.Encoder().encode


def error_response(
    code: str, detail: str | None = None, *, request_id: str | None = None, retry_after: int | None = None
) -> Response:
    """Build the answer for a code of the table; `detail` must be safe to show, `retry_after` is in place of its own."""
    failure = FAILURES[code]
    wait = failure.retry_after if retry_after is None else retry_after
    body = {"code": code, "message": detail or failure.message}
    if request_id is not None:
        body["request_id"] = request_id
    headers = {} if wait is None else {"Retry-After": str(wait)}
    return Response(_encode(body), failure.status, headers, "application/json")


async def answer_failure(request: Request[Any], error: Exception) -> Response:
    """Answer an expected failure (`TagwayError`)."""
    if not isinstance(error, TagwayError):
        raise error
    request.scope["tagway.code"] = error.code
    response = error_response(error.code, error.detail, retry_after=error.retry_after)
    if isinstance(error, TooManyEvents):
        response.headers.update(quota_headers(error.quota))
    return response


async def answer_http_exception(request: Request[Any], error: Exception) -> Response:
    """Answer what the router refuses, as an unknown path or a wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    code = _BY_STATUS.get(error.status_code, "invalid_request")
    request.scope["tagway.code"] = code
    response = error_response(code)
    response.headers.update(error.headers or {})
    return response


def place_of(error: BaseException) -> str:
    """Name the innermost line of an error's traceback. Its own text may quote data, so it is never logged."""
    traceback = error.__traceback__
    if traceback is None:
        return "unknown"
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    return f"{code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno} {code.co_name}"
