"""A second look at who events are about: since their receipt a person may have been erased, or have said no."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from domain.consent import Purpose
from domain.event import ProtectedEvent
from stores.erasure import erased_among
from stores.persons import read_refusals, suppressed_among
from stores.postgres import Connection


class Standing(msgspec.Struct):
    """What a second look leaves of some events."""

    kept: list[ProtectedEvent]
    """In their order, without the purposes that were refused before the event was received."""
    forgotten: list[ProtectedEvent]
    """Those of erased people: of a subject that is gone, or with any identifier that is suppressed."""
    refused: int
    """How many had no purpose left."""


async def look_again(
    connection: Connection, workspace: UUID, events: Sequence[ProtectedEvent], profile_of: Mapping[UUID, UUID]
) -> Standing:
    """Look again at events. `profile_of` has the subjects that still exist.

    The caller holds the workspace's definitions, so that nobody is erased meanwhile.
    """
    unknown = {event.subject for event in events} - profile_of.keys()
    erased = await erased_among(connection, workspace, unknown) if unknown else set()
    suppressed = await suppressed_among(
        connection, workspace, {alias: None for event in events for alias in event.aliases}
    )
    refusals = await read_refusals(connection, workspace, set(profile_of.values()))
    standing = Standing([], [], 0)
    for event in events:
        if event.subject in erased or not suppressed.isdisjoint(event.aliases):
            standing.forgotten.append(event)
            continue
        profile = profile_of.get(event.subject)
        allowed = _without(event, refusals.get(profile, {})) if profile in refusals else event
        if allowed.purposes:
            standing.kept.append(allowed)
        else:
            standing.refused += 1
    return standing


def _without(event: ProtectedEvent, refusals: Mapping[Purpose, datetime]) -> ProtectedEvent:
    """Take the purposes off an event that were refused before it was received, and the records that they rested on."""
    places = [
        place
        for place, purpose in enumerate(event.purposes)
        if purpose not in refusals or event.received_at < refusals[purpose]
    ]
    if len(places) == len(event.purposes):
        return event
    return msgspec.structs.replace(
        event,
        purposes=tuple(event.purposes[place] for place in places),
        proofs=tuple(event.proofs[place] for place in places) if event.proofs else (),
    )
