"""Correcting records that could not be built, and sending them through the builder again."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.errors import Refused
from domain.event import UNREADABLE, ProtectedEvent, decode_event
from domain.topics import EVENTS
from stores.dead_letters import DeadLetter, lock_dead_letters, remove_dead_letters, replace_value
from stores.eventlog.port import EventLog, Record
from stores.faults import transaction
from stores.identities import find_profiles
from stores.postgres import Connection

_FIXABLE: Final = frozenset({"name", "at", "type", "properties", "traits", "context", "purposes", "message_id"})
"""What may be corrected: whose event it is, and what is sealed, stays as it was collected."""


async def fix(
    connection: Connection,
    workspace: UUID | None,
    letter: int,
    *,
    put: Mapping[str, Any],
    drop: Collection[str],
    at: datetime,
) -> DeadLetter | None:
    """Set values and remove fields of a record by their paths (`properties.price`); None where there is no such letter.

    Raises `Refused` where the record is no JSON, a path may not be changed, or the outcome is no event.
    """
    async with transaction(connection):
        found = await lock_dead_letters(connection, workspace, [letter])
        if not found:
            return None
        value = corrected(found[0].value, put, drop)
        await replace_value(connection, letter, value, at)
    return msgspec.structs.replace(found[0], value=value, fixed_at=at)


def corrected(value: bytes, put: Mapping[str, Any], drop: Collection[str]) -> bytes:
    """Return the record with these changes. Raises `Refused`, see `fix`."""
    try:
        record = msgspec.json.decode(value)
    except UNREADABLE as error:
        raise Refused("The record is no JSON and cannot be corrected.") from error
    if not isinstance(record, dict):
        raise Refused("The record is no event and cannot be corrected.")
    for path in drop:
        *outer, last = _steps(path)
        _reach(record, outer, path).pop(last, None)
    for path, new in put.items():
        *outer, last = _steps(path)
        _reach(record, outer, path)[last] = new
    encoded = msgspec.json.encode(record)
    try:
        decode_event(encoded)
    except msgspec.DecodeError as error:
        place = str(error).rpartition(" - at ")[2] if " - at " in str(error) else "the whole record"
        raise Refused(f"This would still be no event: {place}") from error
    return encoded


async def replay(connection: Connection, log: EventLog, workspace: UUID | None, ids: Collection[int]) -> list[int]:
    """Append records to the events topic again, take them out of the dead letters, and return which those are.

    A crash in between leaves both; the builder tells the second by its message id. What fails again is buried again.
    Those that are no events stay. Raises `LogUnavailable`.
    """
    async with transaction(connection):
        letters = await lock_dead_letters(connection, workspace, ids)
        sound = [(letter, event) for letter in letters if (event := _event(letter)) is not None]
        if not sound:
            return []
        records = await _records(connection, sound)
        sent: list[int] = []
        for (letter, _), failure in zip(sound, await log.append(EVENTS, records), strict=True):
            if failure is None:
                sent.append(letter.id)
            elif not isinstance(failure, Refused):
                raise failure
        await remove_dead_letters(connection, sent)
    return sent


async def _records(connection: Connection, sound: Sequence[tuple[DeadLetter, ProtectedEvent]]) -> list[Record]:
    """Put each under its person's key, where erasure finds it."""
    profiles: dict[UUID, UUID] = {}
    for workspace in {event.workspace for _, event in sound}:
        subjects = {event.subject for _, event in sound if event.workspace == workspace}
        profiles |= await find_profiles(connection, workspace, subjects)
    return [Record(profiles.get(event.subject, event.subject).bytes, letter.value) for letter, event in sound]


def _event(letter: DeadLetter) -> ProtectedEvent | None:
    try:
        event = decode_event(letter.value)
    except UNREADABLE:
        return None
    # A record that named another workspace than the one it was found in must not get there by this way.
    return event if letter.workspace in (None, event.workspace) else None


def _steps(path: str) -> list[str]:
    steps = path.split(".")
    if steps[0] not in _FIXABLE or not all(steps):
        raise Refused(f"{path}: may not be changed; {', '.join(sorted(_FIXABLE))} may")
    return steps


def _reach(record: dict[str, Any], outer: Sequence[str], path: str) -> dict[str, Any]:
    place = record
    for step in outer:
        inner = place.setdefault(step, {})
        if not isinstance(inner, dict):
            raise Refused(f"{path}: leads through what is no object")
        place = inner
    return place
