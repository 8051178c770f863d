"""What a person asked for, with its period and how far it is."""

from datetime import datetime

import msgspec
import strawberry
from strawberry.scalars import JSON

from domain.request import Regime, Request, RequestKind, RequestStatus
from privacy.clock import Timeliness, deadlines, timeliness
from profiles.rights.fetch import fetch_answer
from resolvers.context import Info
from resolvers.fields import field
from resolvers.node import Node, to_global

strawberry.enum(RequestKind, name="PrivacyRequestKind", description="What is asked for.")
strawberry.enum(Regime, name="PrivacyRegime", description="The law whose periods count.")
strawberry.enum(RequestStatus, name="PrivacyRequestStatus", description="A request's life.")
strawberry.enum(Timeliness, name="Timeliness", description="How a request stands against its period.")


@strawberry.type
class PrivacyRequestStep:
    """One finished step."""

    name: str
    at: datetime
    counts: JSON = strawberry.field(description="How much was found to do.")


@strawberry.type
class PrivacyRequest(Node):
    """Something a person asked for, with its period and how far it is."""

    row: strawberry.Private[Request]
    kind: RequestKind
    regime: Regime
    status: RequestStatus
    received_at: datetime
    due_at: datetime
    extended_at: datetime | None
    extension_reason: str | None
    progress: float = strawberry.field(description="From 0 to 1.")
    finished_at: datetime | None
    error: str | None = strawberry.field(description="Why it could not be met.")
    receipt: JSON | None = strawberry.field(
        description="What was done, signed by Ed25519; `tagway requests verify` checks it without asking anyone."
    )
    expires_at: datetime | None = strawberry.field(description="Until when `export` can be fetched.")

    @field()
    def confirm_by(self, info: Info) -> datetime | None:
        """By when its receipt must be confirmed, where the law wants that."""
        return deadlines(self.kind, self.regime, self.received_at, info.context.services.holidays).confirm_by

    @field()
    def timeliness(self, info: Info) -> Timeliness:
        """How it stands against its period, or stood when it was finished."""
        services = info.context.services
        period, now = deadlines(self.kind, self.regime, self.received_at, services.holidays), services.clock()
        if self.extended_at is None:
            period = msgspec.structs.replace(period, due_at=self.due_at)
        return timeliness(period, now, finished_at=self.finished_at, extended=self.extended_at is not None)

    @field()
    def overdue(self, info: Info) -> bool:
        """Whether the due date has passed without an answer."""
        return (self.finished_at or info.context.services.clock()) > self.due_at

    @field()
    def steps(self) -> list[PrivacyRequestStep]:
        """What has been done so far."""
        return [
            PrivacyRequestStep(name=name, at=step.at, counts=JSON(dict(step.counts)))
            for name, step in self.row.steps.items()
        ]

    @field()
    async def export(self, info: Info) -> JSON | None:
        """The answer to an access or portability request, for seven days; each fetch is written to the access log."""
        caller, services = info.context.caller, info.context.services
        async with services.database.workspace(self.row.workspace) as connection:
            answer = await fetch_answer(
                connection, caller.keys, self.row, actor=caller.principal.actor, now=services.clock()
            )
        return None if answer is None else JSON(answer)


def request_of(row: Request) -> PrivacyRequest:
    """Show a request."""
    return PrivacyRequest(
        id=to_global("PrivacyRequest", row.id),
        row=row,
        kind=row.kind,
        regime=row.regime,
        status=row.status,
        received_at=row.received_at,
        due_at=row.due_at,
        extended_at=row.extended_at,
        extension_reason=row.extension_reason,
        progress=row.progress,
        finished_at=row.finished_at,
        error=row.error,
        receipt=None if row.receipt is None else JSON(row.receipt),
        expires_at=row.expires_at,
    )
