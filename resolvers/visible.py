"""What a caller sees of a person: all of their own, of others only what is not refused by now."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.consent import Purpose
from domain.event import CallType
from privacy.plan import Plan
from privacy.visibility import refused_purposes, shown_properties, shown_traits
from resolvers.context import Info
from stores.reads.events import EventRow
from stores.reads.profiles import ProfileRow


async def visible_traits(info: Info, rows: Sequence[ProfileRow]) -> list[dict[str, Any]]:
    """Give the traits of each person that may be shown."""
    if info.context.caller.principal.is_end_user:
        return [row.traits for row in rows]
    plan = (await info.context.policy()).plan
    refused = await _refused(info, {row.id for row in rows if row.traits})
    return [shown_traits(plan, row.traits, refused[row.id]) if row.traits else row.traits for row in rows]


async def visible_properties(info: Info, rows: Sequence[EventRow]) -> list[dict[str, Any]]:
    """Give the properties of each event that may be shown."""
    if info.context.caller.principal.is_end_user:
        return [row.properties for row in rows]
    plan = (await info.context.policy()).plan
    refused = await _refused(info, {row.profile_id for row in rows if row.properties and row.profile_id})
    return [_shown(plan, row, refused[row.profile_id]) if row.profile_id in refused else row.properties for row in rows]


def _shown(plan: Plan, row: EventRow, refused: frozenset[Purpose]) -> dict[str, Any]:
    name = row.name if row.type is CallType.TRACK else row.type.value
    return shown_properties(plan, name, row.properties, frozenset(row.purposes), refused)


async def _refused(info: Info, profiles: set[UUID]) -> dict[UUID | None, frozenset[Purpose]]:
    ids = list(profiles)
    found = await info.context.loaders.consents.load_many(ids)
    return {id_: refused_purposes(consents) for id_, consents in zip(ids, found, strict=True)}
