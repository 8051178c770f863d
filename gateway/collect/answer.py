"""What a collect request is answered: one result per event, in the order of the request."""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final

import msgspec
from starlette.responses import Response

from domain.errors import FAILURES
from domain.outcome import Outcome, Result

_MEDIA_TYPE: Final = "application/json"
_encode = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body. SDKs look at the status alone and pass over the rest, which is for people and for our own tag."""

    success: bool
    results: tuple[Result, ...]
    counts: dict[str, int]
    code: str | None = None
    message: str | None = None


def answer(scope: MutableMapping[str, Any], results: Sequence[Result], headers: Mapping[str, str]) -> Response:
    """Answer 200, or 503 when an event could not be kept: then the client sends the whole request again.

    What was accepted the first time is recognised by its message id and built once. `scope` has the counts of
    `Tally.tell`; the code of a failure is noted there, by which it is counted.
    """
    body = told(results, scope["tagway.counts"])
    if body.code is None:
        return Response(_encode(body), media_type=_MEDIA_TYPE, headers=headers)
    scope["tagway.code"] = body.code
    failure = FAILURES[body.code]
    return Response(
        _encode(body),
        status_code=failure.status,
        media_type=_MEDIA_TYPE,
        headers={**headers, "Retry-After": str(failure.retry_after or 1)},
    )


def told(results: Sequence[Result], counts: dict[str, int]) -> Answer:
    """Say what became of a request's events."""
    unavailable = next((result for result in results if result.outcome is Outcome.UNAVAILABLE), None)
    if unavailable is None:
        return Answer(success=True, results=tuple(results), counts=counts)
    code = unavailable.code or "store_unavailable"
    return Answer(success=False, results=tuple(results), counts=counts, code=code, message=FAILURES[code].message)
