"""People, segments, consents and events in the words of the OASIS CDP specification (CS01, 2019).

Each is a view of what the rest of the schema shows, under the same rights; names are the specification's.
"""

from collections.abc import Callable, Hashable
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Final, TypeVar

import strawberry
from strawberry.scalars import JSON

from domain.consent import State
from domain.errors import Refused
from domain.key import Scope
from learning.lists import Strategy
from resolvers.connection import MOST, After, Connection, Edge, First
from resolvers.context import Info
from resolvers.event import Event, event_of
from resolvers.fields import field
from resolvers.node import to_global
from resolvers.permissions import needs
from resolvers.profile import Profile, ProfileBy, profile_of
from resolvers.recommendation import question_of, recommendations_for
from resolvers.segment import Segment

OURS: Final = "tagway"
"""The client whose ids are our own ids of profiles."""

_KINDS: Final = {"userId": "external_id", "anonymousId": "anonymous_id", "email": "email", "phone": "phone"}
_DESCRIBED: Final = f"`{OURS}` for an id of ours, else the kind of identifier: {', '.join(_KINDS)}."
_MOST_FILTERS: Final = 20

Item = TypeVar("Item")
Shown = TypeVar("Shown")


@strawberry.enum(name="CDP_ConsentStatus", description="What was said about one purpose.")
class ConsentStatus(Enum):
    """The specification's three words."""

    GRANTED = State.GRANTED
    DENIED = State.DENIED
    REVOKED = State.WITHDRAWN


@strawberry.type(name="CDP_Client")
class Client:
    """The system that an id or a record comes from."""

    id: strawberry.ID = strawberry.field(description=_DESCRIBED)
    title: str | None


@strawberry.type(name="CDP_View")
class View:
    """A workspace, which everything of a key belongs to."""

    name: strawberry.ID


@strawberry.type(name="CDP_ProfileID")
class ProfileID:
    """An id of a profile within a client. Identifiers that people gave are never shown, only looked up by."""

    id: strawberry.ID
    client: Client


@strawberry.type(name="CDP_Consent")
class Consent:
    """A person's last word about one purpose."""

    token: strawberry.ID
    type: str = strawberry.field(description="The purpose.")
    status: ConsentStatus
    last_update: datetime
    expiration: datetime | None
    source: str


@strawberry.type(name="CDP_Segment")
class CdpSegment:
    """A group of people."""

    id: strawberry.ID = strawberry.field(description="The segment's key.")
    name: str
    view: View


@strawberry.type(name="CDP_FilterMatch")
class FilterMatch:
    """Whether a profile fits a named filter."""

    name: str
    matched: bool


@strawberry.type(name="CDP_RecommendationResult")
class RecommendationResult:
    """One recommended object."""

    object_id: strawberry.ID
    score: float = strawberry.field(description="Falls from 1 with the place.")


@strawberry.input(name="CDP_ClientInput")
class ClientInput:
    """Which system an id is of."""

    id: strawberry.ID = strawberry.field(description=_DESCRIBED)


@strawberry.input(name="CDP_ProfileIDInput")
class ProfileIDInput:
    """Names a profile by an id within a client."""

    id: strawberry.ID
    client: ClientInput | None = strawberry.field(default=None, description=f"Left out: `{OURS}`.")


@strawberry.input(name="CDP_ProfileFilterInput")
class ProfileFilterInput:
    """Which profiles. Of what the specification lists, these two are offered; all that are given must hold."""

    profile_ids_contains: list[str] | None = strawberry.field(
        default=None, name="profileIDs_contains", description="Ids of ours: profiles that have one of them."
    )
    segments_contains: list[str] | None = strawberry.field(
        default=None, name="segments_contains", description="Keys of segments: profiles that are in all of them."
    )


@strawberry.input(name="CDP_EventFilterInput")
class EventFilterInput:
    """Which events. Of what the specification lists, this is offered."""

    cdp_profile_id_equals: strawberry.ID = strawberry.field(
        name="cdp_profileID_equals", description="An id of ours: events of that profile."
    )


@strawberry.input(name="CDP_NamedFilterInput")
class NamedFilterInput:
    """A filter with a name to tell its result by."""

    name: str
    filter: ProfileFilterInput


@strawberry.type(name="CDP_Event")
class CdpEvent:
    """Something that a person did."""

    moment: strawberry.Private[Hashable]
    shown: strawberry.Private[Event | None]
    profile_id: strawberry.Private[Any]
    id: strawberry.ID
    name: str
    cdp_timestamp: datetime = strawberry.field(name="cdp_timestamp")

    @field(name="cdp_profileID")
    def cdp_profile_id(self) -> ProfileID | None:
        """Whose it is."""
        return _own_id(to_global("Profile", self.profile_id)) if self.profile_id else None

    @field(needs(Scope.PROFILES_READ), name="cdp_profile")
    async def cdp_profile(self, info: Info) -> Annotated["CdpProfile", strawberry.lazy("resolvers.cdp.types")] | None:
        """Whose it is, as they are by now."""
        row = await info.context.loaders.profile.load(self.profile_id) if self.profile_id else None
        return shown_profile(profile_of(row)) if row else None

    @field()
    async def properties(self, info: Info) -> JSON | None:
        """What was told about it; null until it is stored, a moment after it was taken."""
        event = self.shown
        if event is None:
            row = await info.context.loaders.event.load(str(self.id))
            event = event_of(row) if row else None
        return await event.properties(info) if event else None


@strawberry.type(name="CDP_Profile")
class CdpProfile:
    """One person."""

    moment: strawberry.Private[Hashable]
    profile: strawberry.Private[Profile]

    @field(name="cdp_profileIDs")
    def cdp_profile_ids(self) -> list[ProfileID]:
        """The profile's own id, by which it is found again, also after a merge."""
        return [_own_id(self.profile.id)]

    @field(needs(Scope.SEGMENTS_READ), name="cdp_segments")
    async def cdp_segments(self, info: Info) -> list[CdpSegment]:
        """The segments the person is in."""
        return [shown_segment(each.segment, info) for each in await self.profile.segments(info)]

    @field(name="cdp_consents")
    async def cdp_consents(self, info: Info) -> list[Consent]:
        """What the person has said."""
        return [
            Consent(
                token=strawberry.ID(f"{self.profile.id}:{each.purpose.value}"),
                type=each.purpose.value,
                status=ConsentStatus(each.state),
                last_update=each.at,
                expiration=None,
                source=each.source,
            )
            for each in await self.profile.consents(info)
        ]

    @field(needs(Scope.EVENTS_READ), name="cdp_events")
    async def cdp_events(self, info: Info, first: First = 20, after: After = None) -> Connection[CdpEvent]:
        """What the person did, the newest first."""
        return page_of(await self.profile.events(info, first, after), shown_event)

    @field(needs(Scope.EVENTS_READ), name="cdp_lastEvents")
    async def cdp_last_events(self, info: Info, count: First = 10) -> Connection[CdpEvent]:
        """The newest events."""
        return page_of(await self.profile.events(info, count, None), shown_event)

    @field(needs(Scope.SEGMENTS_READ), name="cdp_matches")
    async def cdp_matches(self, info: Info, named_filters: list[NamedFilterInput]) -> list[FilterMatch]:
        """Which of the filters the person fits."""
        if len(named_filters) > _MOST_FILTERS:
            raise Refused(f"At most {_MOST_FILTERS} filters at once.")
        held = {each.segment.key for each in await self.profile.segments(info)}
        return [FilterMatch(name=each.name, matched=self._fits(each.filter, held)) for each in named_filters]

    @field(needs(Scope.RECOMMENDATIONS_READ), name="cdp_recommend")
    async def cdp_recommend(self, info: Info, first: First = 10) -> list[RecommendationResult]:
        """What to show to the person."""
        found = await recommendations_for(info, self.profile.row.id, question_of(Strategy.FOR_YOU, first, None, None))
        return [
            RecommendationResult(object_id=strawberry.ID(each.item.product_id), score=round(1 / each.position, 4))
            for each in found.nodes
        ]

    @field()
    async def properties(self, info: Info, names: list[str] | None = None) -> JSON:
        """The person's traits; all or those named."""
        return await self.profile.traits(info, names)

    def _fits(self, wanted: ProfileFilterInput, held: set[str]) -> bool:
        by_id = wanted.profile_ids_contains is None or self.profile.id in wanted.profile_ids_contains
        return by_id and set(wanted.segments_contains or ()) <= held


def person_of(named: ProfileIDInput) -> ProfileBy:
    """Read which person is named. Raises `Refused` for a client that is none of ours."""
    client = str(named.client.id) if named.client else OURS
    if client == OURS:
        return ProfileBy(id=named.id)
    if client not in _KINDS:
        raise Refused(f"A client is {_DESCRIBED}")
    return ProfileBy(**{_KINDS[client]: str(named.id)})  # type: ignore[arg-type]  # one of its fields, all of which are strings


def shown_profile(profile: Profile, moment: Hashable = None) -> CdpProfile:
    """Show a profile."""
    return CdpProfile(moment=moment, profile=profile)


def shown_segment(segment: Segment, info: Info) -> CdpSegment:
    """Show a segment."""
    view = View(name=to_global("Workspace", info.context.caller.principal.workspace))
    return CdpSegment(id=strawberry.ID(segment.key), name=segment.name, view=view)


def shown_event(event: Event) -> CdpEvent:
    """Show a stored event."""
    return CdpEvent(
        moment=None,
        shown=event,
        profile_id=event.row.profile_id,
        id=strawberry.ID(event.message_id),
        name=event.name,
        cdp_timestamp=event.at,
    )


def page_of(page: Connection[Item], shown: Callable[[Item], Shown]) -> Connection[Shown]:
    """Show a page of something as a page of something else."""
    edges = [Edge(cursor=each.cursor, node=shown(each.node)) for each in page.edges]
    return Connection(edges=edges, page_info=page.page_info, count=page.count)


def ids_of(filter_: ProfileFilterInput) -> list[str]:
    """List the ids that a filter names. Raises `Refused` for too many."""
    ids = filter_.profile_ids_contains or []
    if len(ids) > MOST:
        raise Refused(f"At most {MOST} ids at once.")
    return ids


def _own_id(id_: str) -> ProfileID:
    return ProfileID(id=strawberry.ID(id_), client=Client(id=strawberry.ID(OURS), title="Tagway"))
