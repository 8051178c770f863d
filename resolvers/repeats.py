"""A mutation that is sent again under the same idempotency key: it is run once, and answered the same."""

import hmac
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
from graphql import GraphQLError, OperationType, get_operation_ast
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from domain.errors import FAILURES, Refused, StoreUnavailable
from privacy.parcel import ParcelSealer
from resolvers.caller import Caller
from resolvers.context import Session
from resolvers.extensions import CachedParser
from resolvers.limits import MOST_LETTERS, MOST_TOKENS
from resolvers.live.groups import Payload
from stores.answers import Answers

IDEMPOTENCY_KEY: Final = "idempotencyKey"
"""Under this name a request's `extensions` may hold the key, over any transport."""

_KEY: Final = re.compile(r"[!-~]{1,255}", re.ASCII)

Run = Callable[[], Awaitable[ExecutionResult]]


class Repeatable(msgspec.Struct, frozen=True):
    """What is asked, of which a repetition is the same in every part."""

    query: str
    operation_name: str | None
    variables: dict[str, Any] | None = None

    @property
    def is_mutation(self) -> bool:
        """Whether it changes anything; what cannot be read does not."""
        if len(self.query) > MOST_LETTERS:
            return False
        try:
            document = CachedParser().cached_parse_document(self.query, max_tokens=MOST_TOKENS)
        except GraphQLError:
            return False
        operation = get_operation_ast(document, self.operation_name)
        return operation is not None and operation.operation is OperationType.MUTATION


async def run_once(answers: Answers, session: Session, key: Any, request: Repeatable, run: Run) -> ExecutionResult:
    """Run a mutation, or give what its first run was answered within a day.

    An answer is kept under the caller's own key or token, sealed under a key of the workspace, and goes with the people
    that it is about. One that shows
    personal data is not kept, nor one that failed for reasons of ours: the same key then runs it again.
    Raises `Refused` for a key of another shape, for one that was used for another request and while the first still
    runs, and `StoreUnavailable`.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise Refused("An idempotency key has 1 to 255 visible ASCII characters.")
    caller = session.caller
    if caller is None:
        raise Refused(code="missing_key")
    place = _Place(caller, key)
    mark = place.mark(request)
    kept = await answers.claim(place.name, mark)
    if kept is not None:
        if not hmac.compare_digest(kept.mark, mark):
            raise Refused(code="key_reused")
        if kept.sealed is None:
            raise Refused(code="still_running")
        return place.open(kept.sealed)
    stands = False
    session.notes_people = True
    try:
        result = await run()
        if _stands(result) and not session.released:
            # The mutation is done: that its answer cannot be kept must not make a failure of it.
            with suppress(StoreUnavailable):
                sealed = place.seal(Payload.of(result))
                stands = await answers.keep(place.name, mark, sealed, caller.principal.workspace, session.people)
        return result
    finally:
        if not stands:
            with suppress(StoreUnavailable):
                await answers.release(place.name)


class _Place:
    """Where a caller's answer lies: its name tells neither who they are nor which key they chose."""

    def __init__(self, caller: Caller, key: str) -> None:
        principal = caller.principal
        self._secret = caller.keys.signing_key("answers")
        whose = msgspec.json.encode((principal.key_id, principal.anonymous_id, principal.user_id, key))
        self.name = f"{principal.workspace}:{hmac.digest(self._secret, b'name' + whose, 'sha256').hex()}"

    def mark(self, request: Repeatable) -> bytes:
        body = msgspec.json.encode(request, order="deterministic")
        return hmac.digest(self._secret, b"request" + body, "sha256")

    def seal(self, payload: Payload) -> bytes:
        return self._sealer.seal(payload.text.encode(), self.name.encode())

    def open(self, sealed: bytes) -> Payload:
        text = self._sealer.open(sealed, self.name.encode()).decode()
        return Payload(msgspec.json.decode(text)["data"], None, None, text)

    @property
    def _sealer(self) -> ParcelSealer:
        return ParcelSealer(hmac.digest(self._secret, b"seal", "sha256"))


def _stands(result: ExecutionResult) -> bool:
    """Tell whether asking again would be answered the same."""
    if isinstance(result, PreExecutionError):
        return False
    codes = [(error.extensions or {}).get("code", "internal") for error in result.errors or ()]
    failures = [FAILURES.get(str(code), FAILURES["internal"]) for code in codes]
    return not any(failure.ours or failure.retry_after for failure in failures)
