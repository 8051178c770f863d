"""Mutations of the OASIS CDP specification."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
import strawberry
from strawberry.scalars import JSON

from domain.consent import OPERATOR, Purpose, State
from domain.errors import Refused
from domain.key import Scope
from domain.outcome import Outcome
from domain.request import Regime, RequestKind
from resolvers.cdp.types import ConsentStatus, ProfileIDInput, person_of
from resolvers.collecting import collect
from resolvers.consenting import Heard, Words, hear
from resolvers.context import Info
from resolvers.fields import field, mutation
from resolvers.permissions import needs
from resolvers.profile import ProfileBy
from resolvers.request import PrivacyRequest
from resolvers.taking import Asked, take

_MOST_EVENTS: Final = 100


@strawberry.input(name="CDP_ProfileUpdateEventInput")
class ProfileUpdateEventInput:
    """New values of a person's properties."""

    properties: JSON = strawberry.field(description="An object: traits by name.")


@strawberry.input(name="CDP_ConsentUpdateEventInput")
class ConsentUpdateEventInput:
    """A person's word about one purpose."""

    type: Purpose
    status: ConsentStatus


@strawberry.input(name="CDP_CustomEventInput")
class CustomEventInput:
    """Anything else that a person did."""

    name: str
    properties: JSON | None = None


@strawberry.input(name="CDP_EventInput")
class EventInput:
    """Something that happened to one person; it may say several of these things at once."""

    cdp_profile_id: ProfileIDInput = strawberry.field(name="cdp_profileID")
    id: strawberry.ID | None = strawberry.field(default=None, description="Told again, it is counted once.")
    cdp_timestamp: datetime | None = strawberry.field(default=None, name="cdp_timestamp")
    cdp_profile_update_event: ProfileUpdateEventInput | None = strawberry.field(
        default=None, name="cdp_profileUpdateEvent"
    )
    cdp_consent_update_event: ConsentUpdateEventInput | None = strawberry.field(
        default=None, name="cdp_consentUpdateEvent"
    )
    event: CustomEventInput | None = None


@strawberry.type(name="CDP_Mutation")
class CdpMutation:
    """What can be changed in the words of the OASIS CDP specification."""

    @field(needs(Scope.PROFILES_WRITE))
    async def process_events(self, info: Info, events: list[EventInput]) -> int:
        """Take events; returns how many of the things they say were taken. `trackEvents` tells of each.

        They go by the tracking plan, and a person's refusal wins over what an operator's system says.
        """
        if len(events) > _MOST_EVENTS:
            raise Refused(f"At most {_MOST_EVENTS} events at once.")
        calls = [msgspec.json.encode(each) for event in events for each in _calls(event)]
        words = [event for event in events if event.cdp_consent_update_event]
        return await _collected(info, calls) + sum([await _heard(info, each) for each in words])

    @field(needs(end_users=True))
    async def delete_all_personal_data(
        self,
        info: Info,
        profile_id: Annotated[ProfileIDInput | None, strawberry.argument(name="profileID")] = None,
    ) -> bool:
        """Open an erasure: of the end user who asks, or for a key with `privacy:admin` of the person it names."""
        by = person_of(profile_id) if profile_id else None
        asked = Asked(RequestKind.ERASE, by, Regime.GDPR, "", None)
        opened = await take(info, asked)
        return isinstance(opened, PrivacyRequest)


@strawberry.type
class CdpMutations:
    """The root of mutations in the words of the OASIS CDP specification."""

    @mutation(needs(end_users=True))
    def cdp(self) -> CdpMutation:
        """Changes in the words of the OASIS CDP specification (CS01)."""
        return CdpMutation()


def _calls(event: EventInput) -> list[dict[str, Any]]:
    """Say an event in calls of the Segment spec. Raises `Refused` for a person who cannot be told of that way."""
    by = person_of(event.cdp_profile_id)
    who = {"userId": by.external_id or None, "anonymousId": by.anonymous_id or None}
    said = event.cdp_profile_update_event or event.event
    if said and not any(who.values()):
        raise Refused("Events are of a `userId` or an `anonymousId`.")
    shared = {name: value for name, value in who.items() if value}
    if event.cdp_timestamp:
        shared["timestamp"] = event.cdp_timestamp.isoformat()
    calls: list[dict[str, Any]] = []
    if update := event.cdp_profile_update_event:
        calls.append({"type": "identify", "traits": update.properties, **shared, **_named(event, "identify")})
    if custom := event.event:
        properties: Any = custom.properties or {}
        calls.append({"type": "track", "event": custom.name, "properties": properties, **shared, **_named(event, "")})
    return calls


def _named(event: EventInput, kind: str) -> dict[str, str]:
    if event.id is None:
        return {}
    return {"messageId": f"{event.id}-{kind}" if kind else str(event.id)}


async def _collected(info: Info, calls: list[bytes]) -> int:
    if not calls:
        return 0
    results, _ = await collect(info, calls, None, (OPERATOR,))
    return sum(each.outcome is Outcome.ACCEPTED for each in results)


async def _heard(info: Info, event: EventInput) -> bool:
    said = event.cdp_consent_update_event
    if said is None:
        return False
    state: State = said.status.value
    words = Words([(said.type, state)], None, None, is_own_choice=False)
    heard = await hear(info, _by(event), words)
    return isinstance(heard, Heard) and not heard.held_back


def _by(event: EventInput) -> ProfileBy:
    return person_of(event.cdp_profile_id)
