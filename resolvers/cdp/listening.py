"""Subscriptions of the OASIS CDP specification, at the root, as GraphQL streams nothing below it."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import strawberry

from domain.errors import Refused
from domain.key import Scope
from domain.outcome import Outcome
from resolvers.cdp.types import CdpEvent, CdpProfile, EventFilterInput, ProfileFilterInput, ids_of, shown_profile
from resolvers.context import Info
from resolvers.fields import subscription
from resolvers.live.listener import Wanted
from resolvers.live.states import States
from resolvers.node import uuid_of
from resolvers.permissions import needs
from resolvers.profile import profile_of


@strawberry.type
class CdpSubscriptions:
    """What can be watched in the words of the OASIS CDP specification."""

    @subscription(needs(Scope.EVENTS_READ), name="cdp_eventListener")
    async def cdp_event_listener(
        self,
        info: Info,
        filter: EventFilterInput | None = None,  # noqa: A002 - the specification's name
    ) -> AsyncIterator[CdpEvent]:
        """Every event as it is taken, or those of one profile. Nothing is kept: who is slow misses some."""
        whose = uuid_of("Profile", filter.cdp_profile_id_equals) if filter else None
        feeds, workspace = info.context.services.hub.feeds, info.context.caller.principal.workspace
        async with feeds.watch(workspace, info.context.session.room) as watcher, aclosing(watcher.items()) as items:
            async for item in items:
                if item.outcome is Outcome.ACCEPTED and whose in (None, item.profile_id):
                    yield CdpEvent(
                        moment=(item.at, item.message_id),
                        shown=None,
                        profile_id=item.profile_id,
                        id=strawberry.ID(item.message_id),
                        name=item.name,
                        cdp_timestamp=item.at,
                    )

    @subscription(needs(Scope.PROFILES_READ), name="cdp_profileListener")
    async def cdp_profile_listener(
        self,
        info: Info,
        filter: ProfileFilterInput,  # noqa: A002 - as above
    ) -> AsyncIterator[CdpProfile]:
        """A profile as it stands, then each time that it stands otherwise; `profileChanges` tells more."""
        ids = ids_of(filter)
        if len(ids) != 1 or filter.segments_contains:
            raise Refused("Name one profile with `profileIDs_contains`.")
        services, workspace = info.context.services, info.context.caller.principal.workspace
        target = Wanted(workspace, uuid_of("Profile", ids[0]), state=True)
        async with aclosing(States(services.hub, services.clock, target).follow()) as states:
            async for state in states:
                if state.stamp:
                    info.context.forget()
                    row = await info.context.loaders.profile.load(state.stamp.profile_id)
                    if row:
                        yield shown_profile(profile_of(row), moment=(state.place, row.version))
