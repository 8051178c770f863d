"""What can be watched as it happens."""

import hashlib
from collections.abc import AsyncIterator, Hashable
from contextlib import aclosing
from datetime import datetime
from uuid import UUID

import msgspec
import strawberry
from strawberry.scalars import JSON

from domain.errors import Refused
from domain.event import CallType
from domain.key import Scope
from domain.outcome import Outcome
from domain.tracing import spans
from resolvers.caller import Caller
from resolvers.cdp.listening import CdpSubscriptions
from resolvers.context import Info
from resolvers.fields import field, subscription
from resolvers.live.changes import Changes, Notice, NoticeKind, Resumption
from resolvers.live.listener import Wanted
from resolvers.node import to_global
from resolvers.permissions import needs
from resolvers.profile import Profile, ProfileBy, profile_of, wanted
from resolvers.segment import Segment, segment_of
from resolvers.watching import WatchingSubscriptions

_MOST_KEYS = 100
_CHANGES = frozenset({NoticeKind.ENTERED, NoticeKind.EXITED})
_MAY_COUNT = frozenset({Scope.PROFILES_READ, Scope.COUNTS_EXACT})

strawberry.enum(
    NoticeKind,
    name="SegmentChangeKind",
    description=(
        "SNAPSHOT_MEMBER … SNAPSHOT_END: all that stands, replacing what was known before. ENTERED, EXITED: what "
        "changes after. RESYNC: forget what you know, a snapshot follows."
    ),
)


@strawberry.type
class SegmentChange:
    """One step of the story of who is in which segment."""

    notice: strawberry.Private[Notice]
    moment: strawberry.Private[Hashable]
    """What tells it from all others that anyone is told; None for what is one subscriber's alone."""
    cursor: str | None = strawberry.field(
        description="Pass it as `after` to go on from here after a lost connection; null inside a snapshot."
    )
    kind: NoticeKind
    at: datetime
    profile_id: strawberry.ID | None
    profile_version: int | None
    segment_key: str | None
    segment_version: int | None
    cause: JSON | None = strawberry.field(
        description="What led to it. At a SNAPSHOT_END, `cut` names segments of which only the first members came."
    )
    traceparent: str | None = strawberry.field(
        description="Where it is in the trace of the event that caused it (W3C Trace Context), if that is traced."
    )

    @field(needs(Scope.PROFILES_READ, end_users=True))
    async def profile(self, info: Info) -> Profile | None:
        """The person as they are by now."""
        row = await info.context.loaders.profile.load(self.notice.profile_id) if self.notice.profile_id else None
        return profile_of(row) if row else None

    @field()
    async def segment(self, info: Info) -> Segment | None:
        """The segment as it is by now; null once it is deleted."""
        key = self.notice.segment_key
        row = await info.context.loaders.segment_of_key.load(key) if key else None
        return segment_of(row) if row else None


@strawberry.type
class FeedEvent:
    """One event as it was answered a moment ago, without personal data."""

    moment: strawberry.Private[Hashable]
    at: datetime
    message_id: str
    type: CallType | None
    name: str
    outcome: Outcome
    reason: str | None
    profile_id: strawberry.ID | None


class _Place(msgspec.Struct, frozen=True, array_like=True):
    position: int
    located: UUID | None
    issued: datetime


@strawberry.type
class Subscription(CdpSubscriptions, WatchingSubscriptions):
    """The root of subscriptions."""

    @subscription(needs(Scope.SEGMENTS_READ, end_users=True))
    async def segment_changes(
        self,
        info: Info,
        profile: ProfileBy | None = None,
        segment_keys: list[str] | None = None,
        after: str | None = None,
    ) -> AsyncIterator[SegmentChange]:
        """Who enters and leaves segments: of one person, of some segments, or all.

        Without `after` it begins with a snapshot; with it, with what happened since. End users pass neither person
        nor segments and get their own, from the moment they are known and agree to personalisation.
        """
        caller, services = info.context.caller, info.context.services
        target = _target(caller, profile, segment_keys)
        sort = f"changes {_fingerprint(target)}"
        resumption = _resumption(caller, sort, after) if after else None
        changes = Changes(services.hub, services.database, services.clock, target, info.context.session.room)
        async with aclosing(changes.follow(resumption, resync=bool(after) and resumption is None)) as notices:
            async for notice in notices:
                with spans(services.tracer, "push", [notice.traceparent]):
                    yield _change_of(notice, sort, _cursor(caller, sort, notice, services.clock()))

    @subscription(needs(Scope.EVENTS_READ))
    async def event_feed(self, info: Info) -> AsyncIterator[FeedEvent]:
        """Every event of the workspace as it is answered. Nothing is kept: who is slow misses some."""
        feeds, workspace = info.context.services.hub.feeds, info.context.caller.principal.workspace
        async with feeds.watch(workspace, info.context.session.room) as watcher, aclosing(watcher.items()) as items:
            async for item in items:
                yield FeedEvent(
                    moment=(item.at, item.message_id, item.outcome),
                    at=item.at,
                    message_id=item.message_id,
                    type=item.type,
                    name=item.name,
                    outcome=item.outcome,
                    reason=item.reason,
                    profile_id=to_global("Profile", item.profile_id) if item.profile_id else None,
                )


def _target(caller: Caller, profile: ProfileBy | None, keys: list[str] | None) -> Wanted:
    principal = caller.principal
    if principal.is_end_user and keys is not None:
        raise Refused("An end user's token follows all of its own segments.", code="wrong_kind_of_key")
    if keys is not None and not 1 <= len(keys) <= _MOST_KEYS:
        raise Refused(f"`segmentKeys` must name 1 to {_MOST_KEYS} segments.")
    person = None
    if profile is None and not principal.is_end_user and not principal.scopes & _MAY_COUNT:
        # Whoever hears of everyone can count them.
        raise Refused(f"The key lacks the scope {Scope.PROFILES_READ} or {Scope.COUNTS_EXACT}.", code="missing_scope")
    if profile is not None or principal.is_end_user:
        caller.require(Scope.PROFILES_READ, end_users=True)
        person = wanted(profile, caller)
    chosen = None if keys is None else frozenset(keys)
    return Wanted(principal.workspace, person, chosen, personalises=principal.is_end_user)


def _fingerprint(target: Wanted) -> str:
    told_apart = msgspec.json.encode((target.person, None if target.keys is None else sorted(target.keys)))
    return hashlib.sha256(told_apart).hexdigest()[:16]


def _resumption(caller: Caller, sort: str, after: str) -> Resumption | None:
    """Read where to go on; None when the cursor is of another story, which then has to start over."""
    try:
        place = caller.cursors.read(sort, after, _Place)
    except Refused:
        return None
    return Resumption(place.position, place.located, place.issued)


def _cursor(caller: Caller, sort: str, notice: Notice, now: datetime) -> str | None:
    if notice.position is None:
        return None
    return caller.cursors.sign(sort, _Place(notice.position, notice.located, now))


def _moment(notice: Notice, sort: str) -> Hashable:
    """Name a change; a snapshot is of the instant it was read in, and so its reader's alone."""
    if notice.kind not in _CHANGES:
        return None
    return sort, notice.position, notice.located, notice.profile_id, notice.kind


def _change_of(notice: Notice, sort: str, cursor: str | None) -> SegmentChange:
    return SegmentChange(
        notice=notice,
        moment=_moment(notice, sort),
        cursor=cursor,
        kind=notice.kind,
        at=notice.at,
        profile_id=to_global("Profile", notice.profile_id) if notice.profile_id else None,
        profile_version=notice.profile_version,
        segment_key=notice.segment_key,
        segment_version=notice.segment_version,
        cause=None if notice.cause is None else JSON(notice.cause),
        traceparent=notice.traceparent,
    )
