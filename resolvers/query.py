"""What can be asked."""

import asyncio

import strawberry

from domain.errors import Refused
from domain.key import Scope
from resolvers.access import AccessQueries
from resolvers.asking import PrivacyRequestQueries
from resolvers.catalogue import CatalogueQueries
from resolvers.cdp.reading import CdpQueries
from resolvers.connection import MOST, After, Connection, First
from resolvers.consent import ConsentQueries
from resolvers.consent_settings import ConsentSettingsQueries
from resolvers.context import Info
from resolvers.counts import threshold
from resolvers.dead_letter import DeadLetterQueries
from resolvers.event import event_of
from resolvers.fields import field
from resolvers.identity import IdentityQueries
from resolvers.identity_rules import IdentityRuleQueries
from resolvers.keys import KeyQueries
from resolvers.lists import RecommendationQueries
from resolvers.match import MatchQueries
from resolvers.models import RecommenderQueries
from resolvers.node import Node, from_global, to_global, uuid_of
from resolvers.permissions import needs
from resolvers.profile import Profile, ProfileBy, find_profile, list_profiles, profile_of
from resolvers.recommendation import item_of
from resolvers.segment import Segment, list_segments, segment_of
from resolvers.segment_questions import SegmentQueries
from resolvers.taking import find_request
from resolvers.tracking_plan import PlanQueries
from resolvers.trait import TraitQueries


@strawberry.type
class Viewer:
    """Who is asking."""

    workspace: strawberry.ID
    scopes: list[str]
    end_user: bool = strawberry.field(description="True for a visitor, who sees their own profile only.")

    @field()
    async def count_threshold(self, info: Info) -> int | None:
        """Counts of fewer people than this are not told; null for a key that is told every count exactly."""
        return await threshold(info)


@strawberry.type
class Query(
    CdpQueries,
    AccessQueries,
    CatalogueQueries,
    ConsentQueries,
    ConsentSettingsQueries,
    DeadLetterQueries,
    IdentityQueries,
    IdentityRuleQueries,
    MatchQueries,
    KeyQueries,
    PlanQueries,
    PrivacyRequestQueries,
    RecommendationQueries,
    RecommenderQueries,
    SegmentQueries,
    TraitQueries,
):
    """The root of queries."""

    @field(needs())
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002 - Relay's name
        """Find anything by its global id."""
        return await _find(info, id)

    @field(needs())
    async def nodes(self, info: Info, ids: list[strawberry.ID]) -> list[Node | None]:
        """Find many things by their global ids; null where there is nothing."""
        if len(ids) > MOST:
            raise Refused(f"At most {MOST} ids at once.")
        return list(await asyncio.gather(*(_find(info, each) for each in ids)))

    @field(needs(end_users=True))
    def viewer(self, info: Info) -> Viewer:
        """Who is asking, and what they may do."""
        principal = info.context.caller.principal
        return Viewer(
            workspace=to_global("Workspace", principal.workspace),
            scopes=sorted(principal.scopes),
            end_user=principal.is_end_user,
        )

    @field(needs(Scope.PROFILES_READ, end_users=True), lasting=True)
    async def profile(self, info: Info, by: ProfileBy | None = None) -> Profile | None:
        """One person. End users leave `by` out and get themselves."""
        return await find_profile(info, by)

    @field(needs(Scope.PROFILES_READ))
    async def profiles(self, info: Info, first: First = 20, after: After = None) -> Connection[Profile]:
        """Everyone, the most recently seen first."""
        return await list_profiles(info, first, after)

    @field(needs(Scope.SEGMENTS_READ))
    async def segment(self, info: Info, key: str) -> Segment | None:
        """Find a segment by its key."""
        row = await info.context.loaders.segment_of_key.load(key)
        return segment_of(row) if row else None

    @field(needs(Scope.SEGMENTS_READ))
    async def segments(self, info: Info, first: First = 20, after: After = None) -> Connection[Segment]:
        """All segments in the order of their keys."""
        return await list_segments(info, first, after)


async def _find(info: Info, id_: str) -> Node | None:
    caller, loaders = info.context.caller, info.context.loaders
    match from_global(id_):
        case ("Profile", _):
            caller.require(Scope.PROFILES_READ, end_users=False)
            profile = await loaders.profile.load(uuid_of("Profile", id_))
            return profile_of(profile) if profile else None
        case ("Segment", _):
            caller.require(Scope.SEGMENTS_READ, end_users=False)
            segment = await loaders.segment.load(uuid_of("Segment", id_))
            return segment_of(segment) if segment else None
        case ("PrivacyRequest", _):
            caller.require(Scope.PRIVACY_ADMIN, end_users=False)
            return await find_request(info, id_)
        case ("Event", message_id):
            caller.require(Scope.EVENTS_READ, end_users=False)
            event = await loaders.event.load(message_id)
            return event_of(event) if event else None
        case ("Item", product_id):
            caller.require(Scope.RECOMMENDATIONS_READ, end_users=False)
            item = await loaders.item.load(product_id)
            return item_of(item) if item else None
    return None
