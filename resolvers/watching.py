"""Watching one person: how their profile stands, and what to recommend to them."""

import hashlib
from collections.abc import AsyncIterator, Hashable
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
import strawberry

from domain.errors import Refused
from domain.key import Scope
from learning.lists import Ask, Question, Served, Strategy
from resolvers.caller import Caller
from resolvers.connection import First
from resolvers.context import Info
from resolvers.fields import field, subscription
from resolvers.live.listener import Wanted
from resolvers.live.states import Place, State, StateKind, States
from resolvers.node import to_global
from resolvers.permissions import needs
from resolvers.profile import Profile, ProfileBy, profile_of, wanted
from resolvers.recommendation import (
    PersonalStrategy,
    RecommendationConnection,
    RecommendationContext,
    RecommendationFilter,
    question_of,
    shown,
)

_LOOK_EVERY_SECONDS: Final = 5.0
"""How often a watched list is compared with the model, the catalogue and the rules it was made from."""

strawberry.enum(
    StateKind,
    name="StateKind",
    description=(
        "SNAPSHOT: what stands now, replacing what was known before. CHANGED: what stands by now. RESYNC: forget what "
        "you know, a snapshot follows."
    ),
)
PlaceOf = TypeVar("PlaceOf")


@strawberry.type
class ProfileChange:
    """How a person's profile stands; of several changes at once only the last is told."""

    state: strawberry.Private[State]
    moment: strawberry.Private[Hashable]
    cursor: str | None = strawberry.field(
        description="Pass it as `after` to go on from here after a lost connection; null while nobody is known."
    )
    kind: StateKind
    at: datetime
    profile_id: strawberry.ID | None = strawberry.field(description="Null while there is no profile to be shown.")
    profile_version: int | None = strawberry.field(
        description="What `profile` shows is of this version or a later one."
    )
    changed: list[str] = strawberry.field(
        description="Which of `traits`, `counters`, `segments`, `consents` and `identities` are other than in the "
        "message before; empty where that cannot be told."
    )

    @field()
    async def profile(self, info: Info) -> Profile | None:
        """The person as they are by now."""
        stamp = self.state.stamp
        row = await info.context.loaders.profile.load(stamp.profile_id) if stamp else None
        return profile_of(row) if row else None


@strawberry.type
class RecommendationUpdate:
    """The list for a person, whole each time that it is another."""

    moment: strawberry.Private[Hashable]
    cursor: str | None = strawberry.field(
        description="Pass it as `after`: the list is then told only once it is another than this one."
    )
    kind: StateKind
    at: datetime
    profile_id: strawberry.ID | None
    profile_version: int | None
    recommendations: RecommendationConnection | None = strawberry.field(description="Null at a RESYNC.")


class _Told(msgspec.Struct, frozen=True, array_like=True):
    """Which list a subscriber was told last."""

    profile: UUID | None
    digest: str


@strawberry.type
class WatchingSubscriptions:
    """What can be watched of one person."""

    @subscription(needs(Scope.PROFILES_READ, end_users=True))
    async def profile_changes(
        self, info: Info, profile: ProfileBy | None = None, after: str | None = None
    ) -> AsyncIterator[ProfileChange]:
        """How a person's profile stands, and each change of it: traits, counters, segments, consents, identities.

        End users leave `profile` out and get their own. A name that nobody has yet is waited for.
        """
        caller, services = info.context.caller, info.context.services
        target = _target(caller, profile)
        sort = f"profile {_fingerprint(target)}"
        place = _read(caller, sort, after, Place)
        states = States(services.hub, services.clock, target)
        async with aclosing(states.follow(place, resync=bool(after) and place is None)) as told:
            async for state in told:
                yield _change_of(state, sort, caller)

    @subscription(needs(Scope.PROFILES_READ, Scope.RECOMMENDATIONS_READ, end_users=True))
    async def recommendation_updates(
        self,
        info: Info,
        profile: ProfileBy | None = None,
        first: First = 10,
        strategy: PersonalStrategy = PersonalStrategy.FOR_YOU,
        filter: RecommendationFilter | None = None,  # noqa: A002 - what every such argument is called
        context: RecommendationContext | None = None,
        after: str | None = None,
    ) -> AsyncIterator[RecommendationUpdate]:
        """What to show to a person, and each list that takes its place: by what they do, by consent, by a new model.

        Whoever is unknown or has not agreed gets what is trending. End users leave `profile` out and get their own.
        """
        caller, services = info.context.caller, info.context.services
        target = _target(caller, profile)
        question = question_of(Strategy(strategy.value), first, filter, context)
        sort = f"list {_fingerprint(target)} {question.digest.hex()}"
        last = _read(caller, sort, after, _Told)
        if after and last is None:
            yield _update(StateKind.RESYNC, services.clock())
        states, stamp = States(services.hub, services.clock, target), ""
        async with aclosing(states.follow(every=_LOOK_EVERY_SECONDS)) as told:
            async for state in told:
                made_from = f"{state.place} {(await services.recommender.shelf(target.workspace)).stamp}"
                if state.kind is StateKind.RESYNC or made_from == stamp:
                    continue
                stamp = made_from
                served = await _served(info, state, question)
                now = _Told(state.stamp.profile_id if state.stamp else None, _digest(served))
                if now != last:
                    kind = StateKind.CHANGED if last else StateKind.SNAPSHOT
                    last = now
                    yield _update(
                        kind,
                        state.at,
                        stamp=state.stamp,
                        cursor=caller.cursors.sign(sort, now),
                        moment=(sort, served.id, kind),
                        recommendations=await shown(info, served),
                    )


def _target(caller: Caller, profile: ProfileBy | None) -> Wanted:
    person = wanted(profile, caller)
    if person == ():
        raise Refused("Not an identifier, or a placeholder.")
    return Wanted(caller.principal.workspace, person, state=True)


def _fingerprint(target: Wanted) -> str:
    return hashlib.sha256(msgspec.json.encode(target.person)).hexdigest()[:16]


def _read(caller: Caller, sort: str, after: str | None, place: type[PlaceOf]) -> PlaceOf | None:
    """Read where to go on; None when the cursor is of another story, which then has to start over."""
    try:
        return caller.cursors.read(sort, after, place) if after else None
    except Refused:
        return None


def _change_of(state: State, sort: str, caller: Caller) -> ProfileChange:
    stamp, place = state.stamp, state.place
    return ProfileChange(
        state=state,
        # With what changed since: who joined in between was told of another state before.
        moment=(sort, place, state.kind, state.changed) if place else None,
        cursor=caller.cursors.sign(sort, place) if place else None,
        kind=state.kind,
        at=state.at,
        profile_id=to_global("Profile", stamp.profile_id) if stamp else None,
        profile_version=stamp.version if stamp else None,
        changed=list(state.changed),
    )


async def _served(info: Info, state: State, question: Question) -> Served:
    """Make the list anew; who must not be shown gets what everyone gets."""
    whom = state.stamp.profile_id if state.stamp else None
    workspace = info.context.caller.principal.workspace
    (served,) = await info.context.services.recommender.for_people(workspace, [Ask(whom, question)])
    return served


def _digest(served: Served) -> str:
    listed = [served.strategy, served.personalized, *(item.product_id for item in served.items)]
    return hashlib.blake2b(msgspec.json.encode(listed), digest_size=12).hexdigest()


def _update(kind: StateKind, at: datetime, *, stamp: Any = None, **more: Any) -> RecommendationUpdate:
    return RecommendationUpdate(
        **{"moment": None, "cursor": None, "recommendations": None, **more},
        kind=kind,
        at=at,
        profile_id=to_global("Profile", stamp.profile_id) if stamp else None,
        profile_version=stamp.version if stamp else None,
    )
