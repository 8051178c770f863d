"""Events that a server tells by GraphQL: collected like all others, each with an outcome of its own."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import strawberry
from strawberry.scalars import JSON

from domain.errors import StoreUnavailable
from domain.key import Scope
from domain.outcome import Outcome, Result
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
class TrackEventsPayload:
    """One result for each event, in their order. Only those that were ACCEPTED are kept."""

    results: list[TrackedEvent]
    client_mutation_id: str | None


TrackEventsResult = Annotated[TrackEventsPayload | InvalidInput, strawberry.union("TrackEventsResult")]


@strawberry.type
class CollectMutations:
    """What can be told."""

    @mutation(needs(Scope.PROFILES_WRITE))
    async def track_events(self, info: Info, input: TrackEventsInput) -> TrackEventsResult:  # noqa: A002 - Relay's name
        """Collect events. Consent, the tracking plan and limits count as they do for the tag."""
        if not 1 <= len(input.events) <= _MOST_EVENTS:
            message = f"1 to {_MOST_EVENTS} events at once."
            return InvalidInput(code="invalid_request", message=message, path=["input", "events"])
        results = await collect(info, [msgspec.json.encode(each) for each in input.events])
        return TrackEventsPayload(
            results=[
                TrackedEvent(
                    message_id=each.message_id,
                    outcome=each.outcome,
                    code=each.code,
                    message=each.message,
                    dropped=list(each.dropped),
                )
                for each in results
            ],
            client_mutation_id=input.client_mutation_id,
        )


async def collect(info: Info, calls: Sequence[bytes]) -> list[Result]:
    """Collect calls in the caller's name. Raises `Refused` for a key that is too fast, and `StoreUnavailable`."""
    take = info.context.services.collect
    if take is None:
        raise StoreUnavailable
    results, _ = await take(info.context.caller.principal, calls, None, ())
    return results
