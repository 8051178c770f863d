"""What people did."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from domain.consent import Purpose
from domain.event import CallType
from domain.key import Scope
from domain.outcome import Outcome
from resolvers.connection import connect, page_size
from resolvers.context import Info
from resolvers.fields import field
from resolvers.loaders import load_each
from resolvers.node import Node, to_global
from resolvers.permissions import needs
from resolvers.visible import visible_properties
from stores.reads.events import EventRow, History

strawberry.enum(CallType, name="EventType", description="The six calls of the Segment spec.")
strawberry.enum(Outcome, name="EventOutcome", description="What became of an event.")
strawberry.enum(Purpose, name="Purpose", description="Why data may be used.")

_SORT = "events by time"


async def _properties(events: Sequence["Event"], info: Info) -> list[dict[str, Any]]:
    return await visible_properties(info, [each.row for each in events])


@strawberry.type
class Event(Node):
    """One collected event, its personal data left out."""

    message_id: str
    type: CallType
    name: str
    at: datetime = strawberry.field(description="When it happened, by the client's clock with its skew corrected.")
    received_at: datetime
    purposes: list[Purpose] = strawberry.field(description="What was granted when it was collected.")
    row: strawberry.Private[EventRow]

    @field(many=_properties)
    async def properties(self, info: Info) -> JSON:
        """What was told about it; a property of which every purpose is refused by now is shown to nobody else."""
        [shown] = await _properties([self], info)
        return JSON(shown)

    @field(needs(Scope.PRIVACY_ADMIN))
    def consent_records(self) -> list[int]:
        """The record in the consent ledger that each of `purposes` rests on."""
        return list(self.row.proofs)


def event_of(row: EventRow) -> Event:
    """Show a stored event."""
    return Event(
        id=to_global("Event", row.message_id),
        message_id=row.message_id,
        type=row.type,
        name=row.name,
        at=row.at,
        received_at=row.received_at,
        purposes=list(row.purposes),
        row=row,
    )


async def histories(info: Info, profiles: Sequence[UUID], first: int, after: str | None) -> list[Any]:
    """Page through the events of profiles, the newest first; what could not be read comes as its exception."""
    cursors, loaders = info.context.caller.cursors, info.context.loaders
    at, message_id = cursors.read(_SORT, after, tuple[datetime, str]) if after else (None, None)
    size = page_size(first) + 1
    pages = await load_each(loaders.history, [History(profile, size, at, message_id) for profile in profiles])

    def shown(profile: UUID, rows: Any) -> Any:
        if isinstance(rows, Exception):
            return rows
        return connect(
            rows,
            first,
            after,
            cursors,
            _SORT,
            place=lambda row: (row.at, row.message_id),
            item=event_of,
            count=lambda: loaders.event_count.load(profile),
        )

    return list(map(shown, profiles, pages))
