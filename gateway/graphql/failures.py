"""How GraphQL over HTTP says that something went wrong, and by which code it is counted."""

from collections.abc import Iterable
from typing import Any, Final

from cross_web import HTTPException
from graphql import GraphQLError
from starlette.responses import Response
from starlette.types import Scope
from strawberry.types import ExecutionResult

from domain.errors import FAILURES, TagwayError
from gateway.graphql.answer import CORS, encode, media_type

_STATUS_CODES: Final = {404: "not_found", 405: "method_not_allowed"}


def failure(scope: Scope, error: TagwayError | HTTPException, accept: str) -> Response:
    """Answer a request that could not be run at all, as a GraphQL error with `extensions.code`."""
    if isinstance(error, TagwayError):
        code, message, wait = error.code, error.detail or error.failure.message, error.retry_after
    else:
        code, message, wait = _STATUS_CODES.get(error.status_code, "invalid_request"), error.reason, None
    scope["tagway.code"] = code
    headers = {**CORS, "content-type": media_type(accept)}
    if wait is not None:
        headers["retry-after"] = str(wait)
    if code == "method_not_allowed":
        headers["allow"] = "GET, POST"
    told = {"message": message, "extensions": {"code": code}}
    return Response(encode({"errors": [told]}), FAILURES[code].status, headers)


def code_of(errors: Iterable[GraphQLError] | None) -> str | None:
    """Give the code by which an answer with these errors is counted: that of the first."""
    told = (error.extensions or {} for error in errors or ())
    return next((extensions["code"] for extensions in told if "code" in extensions), None)


def note(scope: Scope, found: ExecutionResult) -> None:
    """Note by which code the request is counted, if there are errors."""
    if found.errors and (code := code_of(found.errors)):
        scope["tagway.code"] = code


def status_of(errors: Iterable[Any]) -> int:
    """Give the status of an answer without data, by its errors as they are sent."""
    codes = [(error.get("extensions") or {}).get("code") for error in errors]
    return max((FAILURES[code].status for code in codes if code in FAILURES), default=400)


def wait_of(errors: Iterable[Any]) -> int:
    """Tell after how many seconds the same may be asked again; 0 where none of the errors says so."""
    return max(((error.get("extensions") or {}).get("retryAfter") or 0 for error in errors), default=0)
