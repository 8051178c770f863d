"""Everything that can be refused or fail, in one table: code → HTTP status, safe text, Retry-After, whose fault."""

from typing import Final

import msgspec


class Failure(msgspec.Struct, frozen=True):
    """One row of the table. `message` is safe to show to anyone; `ours` marks what an operator must look at."""

    status: int
    message: str
    retry_after: int | None = None
    """Seconds after which the same call may succeed."""
    ours: bool = False


FAILURES: Final[dict[str, Failure]] = {
    "malformed_json": Failure(400, "The body is not valid JSON."),
    "malformed_encoding": Failure(400, "The body could not be decompressed."),
    "invalid_request": Failure(400, "The request does not have the expected shape."),
    "invalid_event": Failure(400, "The event does not have the expected shape."),
    "event_too_large": Failure(400, "An event may hold at most 32 KB."),
    "invalid_definition": Failure(400, "The segment definition is not valid."),
    "missing_key": Failure(401, "No key was given."),
    "unknown_key": Failure(401, "This key is not known."),
    "invalid_token": Failure(401, "The token is not valid or has expired."),
    "wrong_kind_of_key": Failure(403, "This kind of key may not do that."),
    "missing_scope": Failure(403, "The key lacks the scope this needs."),
    "origin_not_allowed": Failure(403, "This origin may not use the key."),
    "consent_missing": Failure(403, "The person has not consented to this purpose."),
    "not_covered": Failure(403, "The tracking plan does not allow this field to be used so."),
    "untrusted_document": Failure(403, "This key may run trusted documents only."),
    "unknown_document": Failure(404, "No document is known by this id."),
    "restricted": Failure(403, "At this person's wish their data is stored and not used."),
    "not_found": Failure(404, "There is nothing here."),
    "method_not_allowed": Failure(405, "This method is not offered here."),
    "request_timeout": Failure(408, "The request took too long to arrive; please retry."),
    "conflict": Failure(409, "Another change came first."),
    "still_running": Failure(409, "The first request with this idempotency key is still running.", retry_after=1),
    "request_too_large": Failure(413, "A request may hold at most 500 KB and 2,500 events."),
    "head_too_large": Failure(431, "The head of a request may hold at most 128 KB."),
    "unsupported_media_type": Failure(415, "This content type or encoding is not accepted."),
    "key_reused": Failure(422, "This idempotency key was used for another request."),
    "too_many_requests": Failure(429, "Too many requests; slow down.", retry_after=1),
    "too_many_events": Failure(429, "This key sends events faster than it may; slow down.", retry_after=1),
    "cost_exceeded": Failure(429, "This key's points are used up; slow down.", retry_after=1),
    "store_unavailable": Failure(503, "A store is not reachable; nothing was kept, please retry.", 2, ours=True),
    "log_unavailable": Failure(503, "The event log is not reachable; nothing was kept, please retry.", 2, ours=True),
    "spool_full": Failure(503, "A store is away and the spool is full; nothing was kept, please retry.", 10, ours=True),
    "shutting_down": Failure(503, "This process is stopping; please retry.", retry_after=1),
    "internal": Failure(500, "Something went wrong on our side.", ours=True),
}


class TagwayError(Exception):
    """An expected failure, known by its code in the table.

    `detail` narrows the table's text and must be as safe to show: field names and limits, never values.
    """

    code = "internal"
    retry_after: int | None
    """Seconds after which the same call may succeed; the table's, where nobody knows better."""

    def __init__(self, detail: str | None = None, *, code: str | None = None, retry_after: int | None = None) -> None:
        if code is not None:
            self.code = code
        self.detail = detail
        self.retry_after = self.failure.retry_after if retry_after is None else retry_after
        super().__init__(detail or self.failure.message)

    @property
    def failure(self) -> Failure:
        """The row of the table that speaks for this error."""
        return FAILURES[self.code]


class Refused(TagwayError):
    """The caller must change something: raise with the `code` that says what."""

    code = "invalid_request"


class StoreUnavailable(TagwayError):
    """Postgres or Redis did not answer; nothing was changed, or the change was rolled back."""

    code = "store_unavailable"


class CannotRun(Exception):
    """A process cannot run, or not on. Its message tells the operator what to mend; no caller ever sees it."""


class LogUnavailable(TagwayError):
    """The event log did not acknowledge in time."""

    code = "log_unavailable"
