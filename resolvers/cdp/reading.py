"""Queries of the OASIS CDP specification."""

from typing import Annotated

import strawberry

from domain.errors import Refused
from domain.key import Scope
from resolvers.cdp.types import (
    CdpEvent,
    CdpProfile,
    CdpSegment,
    EventFilterInput,
    ProfileFilterInput,
    ProfileIDInput,
    ids_of,
    page_of,
    person_of,
    shown_event,
    shown_profile,
    shown_segment,
)
from resolvers.connection import After, Connection, First, connect
from resolvers.context import Info
from resolvers.event import event_of
from resolvers.fields import field
from resolvers.node import uuid_of
from resolvers.permissions import needs
from resolvers.profile import Profile, ProfileBy, find_profile, list_profiles, profile_of
from resolvers.segment import list_segments, segment_of

_NAMED = "profiles by named ids"


@strawberry.type(name="CDP_Query")
class CdpQuery:
    """What can be asked in the words of the OASIS CDP specification."""

    @field(needs(Scope.PROFILES_READ))
    async def get_profile(
        self,
        info: Info,
        profile_id: Annotated[ProfileIDInput, strawberry.argument(name="profileID")],
        create_if_missing: bool = False,
    ) -> CdpProfile | None:
        """One person. `createIfMissing` is refused: no query changes anything."""
        if create_if_missing:
            raise Refused("A query creates nobody: send their events.")
        found = await find_profile(info, person_of(profile_id))
        return shown_profile(found) if found else None

    @field(needs(Scope.PROFILES_READ))
    async def find_profiles(
        self,
        info: Info,
        filter: ProfileFilterInput | None = None,  # noqa: A002 - the specification's name
        first: First = 20,
        after: After = None,
    ) -> Connection[CdpProfile]:
        """Everyone, the most recently seen first; those with some ids; or the members of one segment."""
        segments = list(dict.fromkeys(filter.segments_contains or ())) if filter else []
        if segments:
            info.context.caller.require(Scope.SEGMENTS_READ, end_users=False)
        if filter and filter.profile_ids_contains is not None:
            return page_of(await _named(info, ids_of(filter), segments), shown_profile)
        if not segments:
            return page_of(await list_profiles(info, first, after), shown_profile)
        if len(segments) > 1:
            raise Refused("Name one segment, or the ids of profiles beside several.")
        row = await info.context.loaders.segment_of_key.load(segments[0])
        if row is None:
            raise Refused("There is no such segment.", code="not_found")
        return page_of(await segment_of(row).members(info, first, after), shown_profile)

    @field(needs(Scope.EVENTS_READ))
    async def get_event(self, info: Info, id: strawberry.ID) -> CdpEvent | None:  # noqa: A002 - as above
        """Find an event by its message id."""
        row = await info.context.loaders.event.load(str(id))
        return shown_event(event_of(row)) if row else None

    @field(needs(Scope.EVENTS_READ, Scope.PROFILES_READ))
    async def find_events(
        self,
        info: Info,
        filter: EventFilterInput,  # noqa: A002 - as above
        first: First = 20,
        after: After = None,
    ) -> Connection[CdpEvent]:
        """The events of one profile, the newest first."""
        found = await find_profile(info, ProfileBy(id=filter.cdp_profile_id_equals))
        if found is None:
            raise Refused("There is no such profile.", code="not_found")
        return page_of(await found.events(info, first, after), shown_event)

    @field(needs(Scope.SEGMENTS_READ))
    async def get_segment(
        self, info: Info, segment_id: Annotated[strawberry.ID, strawberry.argument(name="segmentID")]
    ) -> CdpSegment | None:
        """Find a segment by its key."""
        row = await info.context.loaders.segment_of_key.load(str(segment_id))
        return shown_segment(segment_of(row), info) if row else None

    @field(needs(Scope.SEGMENTS_READ))
    async def find_segments(self, info: Info, first: First = 20, after: After = None) -> Connection[CdpSegment]:
        """All segments in the order of their keys."""
        return page_of(await list_segments(info, first, after), lambda each: shown_segment(each, info))


@strawberry.type
class CdpQueries:
    """The root of queries in the words of the OASIS CDP specification."""

    @field(needs())
    def cdp(self) -> CdpQuery:
        """The same people, segments and events in the words of the OASIS CDP specification (CS01)."""
        return CdpQuery()


async def _named(info: Info, ids: list[str], segments: list[str]) -> Connection[Profile]:
    loaders = info.context.loaders
    rows = await loaders.profile.load_many([uuid_of("Profile", each) for each in dict.fromkeys(ids)])
    shown = list({row.id: row for row in rows if row and row.restricted_at is None}.values())
    if segments:
        held = await loaders.memberships.load_many([row.id for row in shown])
        keys = [{each.segment.key for each in memberships} for memberships in held]
        shown = [row for row, own in zip(shown, keys, strict=True) if set(segments) <= own]

    async def count() -> int | None:
        return len(shown)

    cursors = info.context.caller.cursors
    return connect(shown, len(ids), None, cursors, _NAMED, place=lambda row: row.id, item=profile_of, count=count)
