"""People, as far as they have allowed to be known."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from domain.alias import Alias, AliasKind
from domain.consent import Consent as LastWord
from domain.consent import Purpose, State
from domain.errors import Refused
from domain.key import Scope
from learning.lists import Strategy
from resolvers.caller import Caller
from resolvers.connection import After, Connection, First, connect, page_size
from resolvers.context import Info
from resolvers.counts import EVERYONE, head_count
from resolvers.event import Event, histories
from resolvers.fields import field, one
from resolvers.loaders import COUNTED, load_each
from resolvers.loading import DataLoader
from resolvers.node import Node, to_global, uuid_of
from resolvers.permissions import needs
from resolvers.privacy_control import GlobalPrivacyControl, control_of
from resolvers.recommendation import (
    PersonalStrategy,
    RecommendationConnection,
    RecommendationContext,
    RecommendationFilter,
    question_of,
    recommendations_for,
)
from resolvers.segment import Segment, segment_of
from resolvers.trait import ProfileTraits
from resolvers.visible import visible_traits
from stores.reads import profiles
from stores.reads.profiles import ProfileRow, Recent
from stores.reads.segments import Membership

strawberry.enum(AliasKind, name="IdentityKind", description="Kinds of identifiers, strongest first.")
strawberry.enum(State, name="ConsentState", description="What was said about one purpose.")

_RECENT = "profiles by last seen"


@strawberry.type
class Identity:
    """That a person has an identifier of this kind. The identifier itself is never shown."""

    kind: AliasKind
    first_seen_at: datetime


@strawberry.type
class Consent:
    """A person's last word about one purpose. What was never said counts as denied."""

    purpose: Purpose
    state: State
    source: str
    at: datetime


@strawberry.type
class SegmentMembership:
    """That a person is in a segment."""

    segment: Segment
    entered_at: datetime
    expires_at: datetime | None = strawberry.field(description="When it ends by itself if nothing else happens.")
    cause: JSON = strawberry.field(description="What led to it: an event, a timer, a build, a merge.")


async def _traits(people: Sequence["Profile"], info: Info, names: list[str] | None = None) -> list[Any]:
    return [_named(each, names) for each in await visible_traits(info, [person.row for person in people])]


async def _identities(people: Sequence["Profile"], info: Info) -> list[Any]:
    def shown(found: Sequence[profiles.Identity]) -> list[Identity]:
        return [Identity(kind=each.kind, first_seen_at=each.first_seen_at) for each in found]

    return await load_each(info.context.loaders.identities, _ids(people), shown)


async def _consents(people: Sequence["Profile"], info: Info) -> list[Any]:
    def shown(found: Sequence[LastWord]) -> list[Consent]:
        return [Consent(purpose=each.purpose, state=each.state, source=each.source, at=each.at) for each in found]

    return await load_each(info.context.loaders.consents, _ids(people), shown)


async def _controls(people: Sequence["Profile"], info: Info) -> list[Any]:
    return await load_each(info.context.loaders.consents, _ids(people), control_of)


async def _segments(people: Sequence["Profile"], info: Info, keys: list[str] | None = None) -> list[Any]:
    def shown(found: Sequence[Membership]) -> list[SegmentMembership]:
        return [_membership(each) for each in found if keys is None or each.segment.key in keys]

    return await load_each(_memberships(info), _ids(people), shown)


async def _in_segment(people: Sequence["Profile"], info: Info, key: str) -> list[Any]:
    def shown(found: Sequence[Membership]) -> bool:
        return any(each.segment.key == key for each in found)

    return await load_each(_memberships(info), _ids(people), shown)


def _memberships(info: Info) -> DataLoader[UUID, list[Membership]]:
    """Choose what to look up: a visitor's page is shown segments only with consent for personalisation."""
    loaders, is_own_page = info.context.loaders, info.context.caller.principal.is_end_user
    return loaders.agreed_memberships if is_own_page else loaders.memberships


async def _events(people: Sequence["Profile"], info: Info, first: int = 20, after: str | None = None) -> list[Any]:
    return await histories(info, _ids(people), first, after)


@strawberry.type
class Profile(ProfileTraits, Node):
    """One person, over all devices that were shown to be theirs."""

    row: strawberry.Private[ProfileRow]
    version: int = strawberry.field(description="Raised by each change; orders what a query and a subscription say.")
    first_seen_at: datetime
    last_seen_at: datetime

    @field(many=_traits, lasting=True)
    async def traits(self, info: Info, names: list[str] | None = None) -> JSON:
        """What was stated about the person, personal data left out; all or those named.

        A trait of which every purpose is refused by now is shown to nobody but the person.
        """
        return JSON(one(await _traits([self], info, names)))

    @field(lasting=True)
    def counters(self, names: list[str] | None = None) -> JSON:
        """How often each event happened; all or those named."""
        return JSON(_named(self.row.counters, names))

    @field(many=_identities, lasting=True)
    async def identities(self, info: Info) -> list[Identity]:
        """Which kinds of identifiers the person is known by."""
        found: list[Identity] = one(await _identities([self], info))
        return found

    @field(many=_consents, lasting=True)
    async def consents(self, info: Info) -> list[Consent]:
        """What the person has said."""
        found: list[Consent] = one(await _consents([self], info))
        return found

    @field(many=_controls, lasting=True)
    async def global_privacy_control(self, info: Info) -> GlobalPrivacyControl:
        """Whether Global Privacy Control is in force for the person, and since when."""
        found: GlobalPrivacyControl = one(await _controls([self], info))
        return found

    @field(needs(Scope.SEGMENTS_READ, end_users=True), many=_segments, lasting=True)
    async def segments(self, info: Info, keys: list[str] | None = None) -> list[SegmentMembership]:
        """The segments the person is in; all or those with these keys.

        A visitor's token is shown none without their consent for personalisation.
        """
        found: list[SegmentMembership] = one(await _segments([self], info, keys))
        return found

    @field(needs(Scope.SEGMENTS_READ, end_users=True), many=_in_segment, lasting=True)
    async def in_segment(self, info: Info, key: str) -> bool:
        """Whether the person is in the segment with this key; false when there is none, or it may not be told."""
        found: bool = one(await _in_segment([self], info, key))
        return found

    @field(needs(Scope.EVENTS_READ, end_users=True), many=_events)
    async def events(self, info: Info, first: First = 20, after: After = None) -> Connection[Event]:
        """What the person did, the newest first."""
        found: Connection[Event] = one(await _events([self], info, first, after))
        return found

    @field(needs(Scope.RECOMMENDATIONS_READ, end_users=True))
    async def recommendations(
        self,
        info: Info,
        first: First = 10,
        strategy: PersonalStrategy = PersonalStrategy.FOR_YOU,
        filter: RecommendationFilter | None = None,  # noqa: A002 - what every such argument is called
        context: RecommendationContext | None = None,
    ) -> RecommendationConnection:
        """What to show to the person. Without their consent it is what is trending, and says so."""
        question = question_of(Strategy(strategy.value), first, filter, context)
        return await recommendations_for(info, self.row.id, question)


@strawberry.input(one_of=True)
class ProfileBy:
    """One way to name a person."""

    id: strawberry.ID | None = strawberry.UNSET
    external_id: str | None = strawberry.UNSET
    anonymous_id: str | None = strawberry.UNSET
    email: str | None = strawberry.UNSET
    phone: str | None = strawberry.UNSET


def said_in(by: ProfileBy | None) -> list[str]:
    """List the plain identifiers that an input names someone by."""
    given = (by.external_id, by.anonymous_id, by.email, by.phone) if by else ()
    return [value for value in given if value]


def profile_of(row: ProfileRow) -> Profile:
    """Show a profile. Raises `Refused` (`restricted`) for one that is stored only."""
    if row.restricted_at is not None:
        raise Refused(code="restricted")
    return Profile(
        id=to_global("Profile", row.id),
        row=row,
        version=row.version,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
    )


def wanted(by: ProfileBy | None, caller: Caller) -> UUID | tuple[Alias, ...]:
    """Name the person asked for: by id, or by identifiers of which the first that is known counts.

    End users are always themselves. Raises `Refused` when they ask for someone, or others for nobody.
    """
    principal = caller.principal
    if principal.is_end_user:
        if by is not None:
            raise Refused("An end user's token reads its own profile only: leave `by` out.", code="wrong_kind_of_key")
        named = [(AliasKind.USER_ID, principal.user_id), (AliasKind.ANONYMOUS_ID, principal.anonymous_id)]
    elif by is None:
        raise Refused("Say whom you mean with `by`.")
    elif by.id:
        return uuid_of("Profile", by.id)
    else:
        named = [
            (AliasKind.USER_ID, by.external_id or None),
            (AliasKind.EMAIL, by.email or None),
            (AliasKind.PHONE, by.phone or None),
            (AliasKind.ANONYMOUS_ID, by.anonymous_id or None),
        ]
    return tuple(alias for kind, value in named if value for alias in caller.aliases_for(kind, value))


async def find_profile(info: Info, by: ProfileBy | None) -> Profile | None:
    """Find the one person asked for."""
    whom, loaders = wanted(by, info.context.caller), info.context.loaders
    row = await (loaders.named.load(whom) if isinstance(whom, tuple) else loaders.profile.load(whom))
    return profile_of(row) if row else None


async def list_profiles(info: Info, first: int, after: str | None) -> Connection[Profile]:
    """Page through the workspace's profiles, the most recently seen first."""
    caller, database = info.context.caller, info.context.services.database
    start = caller.cursors.read(_RECENT, after, Recent) if after else None
    size = page_size(first) + 1
    async with database.workspace(caller.principal.workspace) as connection:
        rows = await profiles.page(connection, size, start)

    async def count() -> int | None:
        async with database.workspace(caller.principal.workspace) as connection:
            found = await profiles.count(connection, COUNTED + 1)
        return found if found > COUNTED else await head_count(info, found, EVERYONE)

    return connect(
        rows,
        first,
        after,
        caller.cursors,
        _RECENT,
        place=lambda row: Recent(row.last_seen_at, row.id),
        item=profile_of,
        count=count,
    )


def _ids(people: Sequence[Profile]) -> list[UUID]:
    return [person.row.id for person in people]


def _membership(each: Membership) -> SegmentMembership:
    return SegmentMembership(
        segment=segment_of(each.segment),
        entered_at=each.entered_at,
        expires_at=each.expires_at,
        cause=JSON(each.cause),
    )


def _named(values: dict[str, Any], names: list[str] | None) -> dict[str, Any]:
    return values if names is None else {name: values[name] for name in names if name in values}
