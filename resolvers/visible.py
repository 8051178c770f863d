"""What a caller sees of a person: all of their own, of others only what is not refused by now."""

from typing import Any
from uuid import UUID

from domain.consent import Purpose
from domain.event import CallType
from privacy.visibility import refused_purposes, shown_properties, shown_traits
from resolvers.context import Info
from stores.reads.events import EventRow
from stores.reads.profiles import ProfileRow


async def visible_traits(info: Info, row: ProfileRow) -> dict[str, Any]:
    """Give the traits that may be shown."""
    if not row.traits or info.context.caller.principal.is_end_user:
        return row.traits
    policy = await info.context.policy()
    return shown_traits(policy.plan, row.traits, await _refused(info, row.id))


async def visible_properties(info: Info, row: EventRow) -> dict[str, Any]:
    """Give the properties of an event that may be shown."""
    if not row.properties or row.profile_id is None or info.context.caller.principal.is_end_user:
        return row.properties
    policy = await info.context.policy()
    name = row.name if row.type is CallType.TRACK else row.type.value
    refused = await _refused(info, row.profile_id)
    return shown_properties(policy.plan, name, row.properties, frozenset(row.purposes), refused)


async def _refused(info: Info, profile: UUID) -> frozenset[Purpose]:
    return refused_purposes(await info.context.loaders.consents.load(profile))
