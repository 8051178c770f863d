"""Groups of people, by what they are and do."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from domain.errors import Refused
from domain.key import Scope
from domain.segment import SegmentStatus
from profiles.segments.definition import parse_definition
from profiles.segments.text import as_text
from resolvers.connection import After, Connection, First, connect, page_size
from resolvers.context import Info
from resolvers.counts import question_of, teller
from resolvers.fields import field, one
from resolvers.loaders import COUNTED, load_each
from resolvers.node import Node, to_global
from resolvers.permissions import needs
from stores.reads import segments
from stores.reads.segments import Members, SegmentRow

if TYPE_CHECKING:
    from resolvers.profile import Profile

strawberry.enum(SegmentStatus, description="A segment's life.")

_BY_KEY = "segments by key"
_MEMBERS = "members by id"


async def _sizes(groups: Sequence["Segment"], info: Info) -> list[Any]:
    counted = await load_each(info.context.loaders.segment_size, [each.row.id for each in groups])
    numbers = await teller(info)
    return [
        exact if isinstance(exact, Exception) else numbers.tell(exact or 0, question_of(each.row.definition))
        for each, exact in zip(groups, counted, strict=True)
    ]


@strawberry.type
class Segment(Node):
    """A group of people, kept up to date with every event and as time passes."""

    row: strawberry.Private[SegmentRow]
    key: str
    name: str
    version: int = strawberry.field(description="Raised by each change of the definition.")

    @field(needs(Scope.SEGMENTS_READ), lasting=True)
    def description(self) -> str:
        """What operators say it is for."""
        return self.row.description

    @field(needs(Scope.SEGMENTS_READ), lasting=True)
    def status(self) -> SegmentStatus:
        """Whether it is built."""
        return self.row.status

    @field(needs(Scope.SEGMENTS_READ), lasting=True)
    def definition(self) -> JSON:
        """The rule as it was saved."""
        return JSON(self.row.definition)

    @field(needs(Scope.SEGMENTS_READ), lasting=True)
    def text(self) -> str | None:
        """The rule in words; null for one that cannot be read any more."""
        with suppress(Refused):
            return as_text(parse_definition(self.row.definition))
        return None

    @field(needs(Scope.SEGMENTS_READ))
    async def progress(self, info: Info) -> float:
        """Which part of the people its definition has been applied to, from 0 to 1."""
        share = await info.context.loaders.share_built.load(self.row.id)
        return share if share is not None else float(self.row.status is SegmentStatus.LIVE)

    @field(needs(Scope.SEGMENTS_READ))
    async def last_change_at(self, info: Info) -> datetime | None:
        """When somebody last entered or left it, as long as changes are kept; null where its size is not told."""
        if await self._size(info) is None:
            return None
        return await info.context.loaders.last_move.load(self.row.id)

    @field(needs(Scope.SEGMENTS_READ), lasting=True)
    def error(self) -> str | None:
        """Why it could not be built."""
        return self.row.error

    @field(needs(Scope.SEGMENTS_READ), lasting=True)
    def created_at(self) -> datetime:
        """When it was first saved."""
        return self.row.created_at

    @field(needs(Scope.SEGMENTS_READ), lasting=True)
    def updated_at(self) -> datetime:
        """When it was last saved."""
        return self.row.updated_at

    @field(needs(Scope.SEGMENTS_READ), many=_sizes)
    async def size(self, info: Info) -> int | None:
        """How many are in it: null for fewer than `viewer.countThreshold`, else a ten next to it, drawn once.

        Keys with the scope `counts:exact` are told exactly.
        """
        return await self._size(info)

    @field(needs(Scope.SEGMENTS_READ, Scope.PROFILES_READ))
    async def members(
        self, info: Info, first: First = 20, after: After = None
    ) -> Connection[Annotated["Profile", strawberry.lazy("resolvers.profile")]]:
        """Who is in it, in no meaningful order."""
        from resolvers.profile import profile_of  # noqa: PLC0415 - a profile lists segments, which list profiles

        cursors, loaders = info.context.caller.cursors, info.context.loaders
        sort = f"{_MEMBERS} {self.row.id}"
        start = cursors.read(sort, after, UUID) if after else None
        rows = await loaders.members.load(Members(self.row.id, page_size(first) + 1, start))

        async def count() -> int | None:
            return await self._size(info)

        return connect(rows, first, after, cursors, sort, place=lambda row: row.id, item=profile_of, count=count)

    async def _size(self, info: Info) -> int | None:
        found: int | None = one(await _sizes([self], info))
        return found


def segment_of(row: SegmentRow) -> Segment:
    """Show a segment."""
    return Segment(id=to_global("Segment", row.id), row=row, key=row.key, name=row.name, version=row.version)


async def list_segments(info: Info, first: int, after: str | None) -> Connection[Segment]:
    """Page through the workspace's segments in the order of their keys."""
    caller, database = info.context.caller, info.context.services.database
    start = caller.cursors.read(_BY_KEY, after, str) if after else None
    size = page_size(first) + 1
    async with database.workspace(caller.principal.workspace) as connection:
        rows = await segments.page(connection, size, start)

    async def count() -> int | None:
        async with database.workspace(caller.principal.workspace) as connection:
            return await segments.count(connection, COUNTED + 1)

    return connect(rows, first, after, caller.cursors, _BY_KEY, place=lambda row: row.key, item=segment_of, count=count)
