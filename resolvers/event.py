"""What people did."""

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from domain.consent import Purpose
from domain.event import CallType
from domain.key import Scope
from resolvers.connection import Connection, connect, page_size
from resolvers.context import Info
from resolvers.fields import field
from resolvers.node import Node, to_global
from resolvers.permissions import needs
from resolvers.visible import visible_properties
from stores.reads.events import EventRow, History

strawberry.enum(CallType, name="EventType", description="The six calls of the Segment spec.")
strawberry.enum(Purpose, name="Purpose", description="Why data may be used.")

_SORT = "events by time"


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

    @field()
    async def properties(self, info: Info) -> JSON:
        """What was told about it; a property of which every purpose is refused by now is shown to nobody else."""
        return JSON(await visible_properties(info, self.row))

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


async def history(info: Info, profile: UUID, first: int, after: str | None) -> Connection[Event]:
    """Page through a profile's events, the newest first."""
    cursors, loaders = info.context.caller.cursors, info.context.loaders
    at, message_id = cursors.read(_SORT, after, tuple[datetime, str]) if after else (None, None)
    rows = await loaders.history.load(History(profile, page_size(first) + 1, at, message_id))

    async def count() -> int | None:
        return await loaders.event_count.load(profile)

    return connect(
        rows,
        first,
        after,
        cursors,
        _SORT,
        place=lambda row: (row.at, row.message_id),
        item=event_of,
        count=count,
    )
