"""What callers are told when something fails: a code always, our own words, never an unexpected exception's."""

import re
import traceback
from typing import Any, Final

import structlog
from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import MaskErrors
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from domain.errors import FAILURES, TagwayError

_REQUEST_FAULTS = (GraphQLError, MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)

# Where the libraries quote a value that they did not like: it may be of a person, and trackers of errors keep messages.
_QUOTATIONS: Final = (
    (re.compile(r"(cannot represent [\w -]*value): .*", re.DOTALL), r"\1."),
    (re.compile(r"[,;.] [Ff]ound(?:: .*| [A-Z]\w+ '.*)", re.DOTALL), "."),
    (re.compile(r"(Unexpected [A-Z]\w+) .*", re.DOTALL), r"\1."),
    (re.compile(r"Value '.*' does not exist", re.DOTALL), "The value does not exist"),
)

_log = structlog.get_logger(__name__)


class CodedErrors(MaskErrors):
    """Gives every error `extensions.code` of the error table and hides what was not expected."""

    def __init__(self) -> None:
        super().__init__()

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        """Return the error as callers may see it."""
        return coded(error, self.execution_context.context.session.request_id)


def coded(error: GraphQLError, request_id: str) -> GraphQLError:
    """Return an error as callers may see it: with a code, and only in words of ours where it was not expected."""
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error:
        cause = cause.original_error
    if isinstance(cause, TagwayError):
        return _expected(error, cause)
    if cause is None or isinstance(cause, _REQUEST_FAULTS):
        # The request's own fault, in the words of the libraries, its values left out. The object stays: transports
        # tell by its class which faults end a socket.
        error.message = without_values(error.message)
        error.extensions = {"code": "invalid_request", **(error.extensions or {})}
        return error
    return _unexpected(error, cause, request_id)


def _expected(error: GraphQLError, cause: TagwayError) -> GraphQLError:
    extensions: dict[str, Any] = {"code": cause.code}
    if cause.retry_after is not None:
        extensions["retryAfter"] = cause.retry_after
    return _retold(error, cause.detail or cause.failure.message, extensions, cause)


def _unexpected(error: GraphQLError, cause: Exception, request_id: str) -> GraphQLError:
    # The exception's own text may quote a value, so only its class and where it came from are logged.
    frames = traceback.extract_tb(cause.__traceback__)[-5:]
    _log.error(
        "graphql_failed",
        request_id=request_id,
        error=type(cause).__name__,
        path=".".join(str(step) for step in error.path or ()),
        frames=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    )
    return _retold(error, FAILURES["internal"].message, {"code": "internal", "requestId": request_id})


def without_values(message: str) -> str:
    """Cut out of a library's message the value that it quotes; names and positions stay."""
    for quotation, instead in _QUOTATIONS:
        message = quotation.sub(instead, message)
    return message


def _retold(
    error: GraphQLError, message: str, extensions: dict[str, Any], cause: TagwayError | None = None
) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        original_error=cause,
        extensions=extensions,
    )
