"""What a server tells by GraphQL: collected like all else, each event with an outcome of its own."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import strawberry
from strawberry.scalars import JSON

from domain.consent import OPERATOR, Statements
from domain.errors import StoreUnavailable
from domain.event import CallType
from domain.key import Scope
from domain.outcome import Outcome, Result
from domain.pace import Quota
from resolvers.context import Info
from resolvers.fields import mutation
from resolvers.permissions import needs
from resolvers.problems import InvalidInput

_MOST_EVENTS: Final = 100


@strawberry.input
class TrackEventsInput:
    """Up to 100 calls of the Segment spec, each a JSON object with its `type` and its own `context.consent`."""

    events: list[JSON]
    client_mutation_id: str | None = None


@strawberry.type
class TrackedEvent:
    """What became of one event."""

    message_id: str
    outcome: Outcome
    code: str | None
    message: str | None = strawberry.field(description="Which part is at fault: names, never values.")
    dropped: list[str] = strawberry.field(
        description="Fields that were left out: the plan does not name them, or no granted purpose covers them."
    )


@strawberry.type
class EventQuota:
    """What the key may still send."""

    at_once: int = strawberry.field(description="Events that may come at once after a pause.")
    left: int = strawberry.field(description="How many of those are left.")
    full_after: int = strawberry.field(description="Seconds after which none of them is missing.")


@strawberry.type
class TrackEventsPayload:
    """One result for each event, in their order. Only those that were ACCEPTED are kept."""

    results: list[TrackedEvent]
    quota: EventQuota
    client_mutation_id: str | None


@strawberry.input
class UpdateProfileInput:
    """What a system of yours knows of a customer."""

    user_id: str
    traits: JSON = strawberry.field(description="An object: traits by name.")
    client_mutation_id: str | None = None


@strawberry.type
class UpdateProfilePayload:
    """What became of the update. It is kept only if it was ACCEPTED."""

    result: TrackedEvent
    quota: EventQuota
    client_mutation_id: str | None


TrackEventsResult = Annotated[TrackEventsPayload | InvalidInput, strawberry.union("TrackEventsResult")]
UpdateProfileResult = Annotated[UpdateProfilePayload | InvalidInput, strawberry.union("UpdateProfileResult")]


@strawberry.type
class CollectMutations:
    """What can be told."""

    @mutation(needs(Scope.PROFILES_WRITE))
    async def track_events(self, info: Info, input: TrackEventsInput) -> TrackEventsResult:  # noqa: A002 - Relay's name
        """Collect events. Consent, the tracking plan and limits count as they do for the tag."""
        if not 1 <= len(input.events) <= _MOST_EVENTS:
            message = f"1 to {_MOST_EVENTS} events at once."
            return InvalidInput(code="invalid_request", message=message, path=["input", "events"])
        results, quota = await collect(info, [msgspec.json.encode(each) for each in input.events])
        return TrackEventsPayload(
            results=[_tracked(each) for each in results],
            quota=_quota(quota),
            client_mutation_id=input.client_mutation_id,
        )

    @mutation(needs(Scope.PROFILES_WRITE))
    async def update_profile(self, info: Info, input: UpdateProfileInput) -> UpdateProfileResult:  # noqa: A002 - Relay's name
        """Set traits of a customer. You answer for the legal basis; what the person refused is refused all the same."""
        call = msgspec.json.encode({"userId": input.user_id, "traits": input.traits})
        [result], quota = await collect(info, [call], CallType.IDENTIFY, (OPERATOR,))
        if result.outcome in (Outcome.INVALID, Outcome.TOO_LARGE):
            return InvalidInput(code=result.code or "invalid_event", message=result.message or "", path=["input"])
        return UpdateProfilePayload(
            result=_tracked(result), quota=_quota(quota), client_mutation_id=input.client_mutation_id
        )


async def collect(
    info: Info,
    calls: Sequence[bytes],
    call_type: CallType | None = None,
    declared: tuple[Statements, ...] = (),
) -> tuple[list[Result], Quota]:
    """Collect calls in the caller's name; `declared` is what the operator answers for.

    Raises `Refused` for a key that is too fast, and `StoreUnavailable`.
    """
    take = info.context.services.collect
    if take is None:
        raise StoreUnavailable
    return await take(info.context.caller.principal, calls, call_type, declared)


def _tracked(result: Result) -> TrackedEvent:
    return TrackedEvent(
        message_id=result.message_id,
        outcome=result.outcome,
        code=result.code,
        message=result.message,
        dropped=list(result.dropped),
    )


def _quota(quota: Quota) -> EventQuota:
    return EventQuota(at_once=quota.at_once, left=quota.left, full_after=quota.full_after)
