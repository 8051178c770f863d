"""The log of looks at personal data, for those who watch over it."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import strawberry

from domain.consent import Purpose
from domain.key import Scope
from resolvers.connection import After, Connection, First, connect, page_size
from resolvers.context import Info
from resolvers.fields import field
from resolvers.loaders import COUNTED
from resolvers.node import to_global
from resolvers.permissions import needs
from resolvers.profile import ProfileBy, find_profile, wanted
from stores.reads import access_log
from stores.reads.access_log import Entry, Filter

_NEWEST = "looks by number"

Since = Annotated[datetime | None, strawberry.argument(name="from", description="Looks at or after this moment.")]
Until = Annotated[datetime | None, strawberry.argument(name="to", description="Looks before this moment.")]
Actor = Annotated[str | None, strawberry.argument(description="`key:<id>`, `end user`, `cli` or `job:<id>`.")]


@strawberry.type
class Look:
    """One look at personal data: who, whose, which fields, what for. Never the values."""

    number: int = strawberry.field(description="Its place in the log: from 1, without gaps.")
    at: datetime
    actor: str
    action: str
    profile_id: strawberry.ID = strawberry.field(description="The person's, at that time: they may have merged since.")
    fields: list[str]
    purpose: Purpose
    reason: str


@strawberry.type
class AccessQueries:
    """What watches over the looks at personal data."""

    @field(needs(Scope.PRIVACY_ADMIN))
    async def access_log(
        self,
        info: Info,
        by: ProfileBy | None = None,
        actor: Actor = None,
        since: Since = None,
        until: Until = None,
        first: First = 20,
        after: After = None,
    ) -> Connection[Look]:
        """Who saw whose personal data, the newest look first; of one person, of one actor, of a time."""
        ids = await _ids(info, by) if by else None
        return await _list(info, Filter(ids, actor, _utc(since), _utc(until)), first, after)


async def _ids(info: Info, by: ProfileBy) -> tuple[UUID, ...]:
    """Name a person by all ids they have had; one who is gone is still known by the id in the log."""
    caller = info.context.caller
    profile, whom = await find_profile(info, by), wanted(by, caller)
    if profile is None and not isinstance(whom, UUID):
        return ()
    async with info.context.services.database.workspace(caller.principal.workspace) as connection:
        known = await access_log.earlier_ids(connection, profile.row.id) if profile else ()
    return (*known, whom) if isinstance(whom, UUID) else known


async def _list(info: Info, filter_: Filter, first: int, after: str | None) -> Connection[Look]:
    caller, database = info.context.caller, info.context.services.database
    before = caller.cursors.read(_NEWEST, after, int) if after else None
    size = page_size(first) + 1
    async with database.workspace(caller.principal.workspace) as connection:
        entries = await access_log.page(connection, filter_, size, before)

    async def count() -> int | None:
        async with database.workspace(caller.principal.workspace) as connection:
            return await access_log.count(connection, filter_, COUNTED + 1)

    return connect(
        entries,
        first,
        after,
        caller.cursors,
        _NEWEST,
        place=lambda entry: entry.number,
        item=_look,
        count=count,
    )


def _utc(moment: datetime | None) -> datetime | None:
    """Take a time without an offset as UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _look(entry: Entry) -> Look:
    access = entry.access
    return Look(
        number=entry.number,
        at=access.at,
        actor=access.actor,
        action=access.action,
        profile_id=to_global("Profile", access.profile_id),
        fields=list(access.fields),
        purpose=access.purpose,
        reason=access.reason,
    )
