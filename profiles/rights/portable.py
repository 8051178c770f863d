"""What a person did and told, as the calls by which it came: whatever takes Segment's calls takes them in again."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from domain.consent import CONSENTABLE, Purpose
from domain.event import CallType
from profiles.rights.opening import Opener
from stores.dossier import Event, Word, granted_by

MOST_BYTES: Final = 400_000
MOST_CALLS: Final = 2_000
"""Sizes of one batch, within what `/v1/batch` takes."""

_IDS: Final = {"user_id": "userId", "group_id": "groupId"}
_NAMED: Final = {CallType.TRACK: "event", CallType.PAGE: "name", CallType.SCREEN: "name"}
_encode = msgspec.json.Encoder().encode

Call = dict[str, Any]


def calls_of(events: Sequence[Event], opener: Opener, words: Sequence[Word], stand_in: str) -> list[tuple[Event, Call]]:
    """Write each event as the call that it was, as far as it was kept.

    The random ids of browsers are kept as indexes only, so `stand_in` stands for all of them: one person stays one.
    Consent is told as it stood for each event; the person's last word stands in the last message of consent.
    """
    said = [event for event in events if _is_word(event)]
    granted = granted_by(words)
    last_words = {purpose.value: purpose in granted for purpose in _spoken_of(words)}
    calls = []
    for event in events:
        if _is_word(event):
            preferences: dict[str, bool] = last_words if event is said[-1] else {}
        elif event.purposes == [Purpose.NECESSARY]:
            preferences = {purpose.value: purpose in granted for purpose in CONSENTABLE}
        else:
            preferences = {purpose: True for purpose in event.purposes if purpose != Purpose.NECESSARY}
        calls.append((event, _call(event, opener, preferences, stand_in)))
    return calls


def batches(calls: Iterable[tuple[Event, Call]]) -> list[dict[str, list[Call]]]:
    """Lay calls into bodies that `/v1/batch` takes one by one, in their order."""
    bodies: list[dict[str, list[Call]]] = []
    size = 0
    for _, call in calls:
        length = len(_encode(call))
        if not bodies or size + length > MOST_BYTES or len(bodies[-1]["batch"]) >= MOST_CALLS:
            bodies.append({"batch": []})
            size = 0
        bodies[-1]["batch"].append(call)
        size += length
    return bodies


def _call(event: Event, opener: Opener, preferences: dict[str, bool], stand_in: str) -> Call:
    call: Call = {
        "type": event.type,
        "messageId": event.message_id,
        "timestamp": event.at,
        "anonymousId": stand_in,
        "properties": _copy(event.properties),
        "traits": _copy(event.traits),
        "context": _copy(event.context),
    }
    if (field := _NAMED.get(CallType(event.type))) is not None:
        call[field] = event.name
    if event.type == CallType.ALIAS:
        call["previousId"] = stand_in
    for path, frame in event.sealed.items():
        value = opener.frame(event.subject_id, path, frame)
        if path in _IDS:
            call[_IDS[path]] = value
        else:
            _put(call, path.split("."), value)
    call["context"]["consent"] = {"categoryPreferences": preferences}
    return {name: value for name, value in call.items() if value not in ({}, None)}


def _put(target: dict[str, Any], steps: Sequence[str], value: Any) -> None:
    *places, name = steps
    for place in places:
        inner = target.setdefault(place, {})
        if not isinstance(inner, dict):
            return
        target = inner
    target[name] = value


def _copy(values: dict[str, Any]) -> dict[str, Any]:
    """Copy what sealed values are put back into, without the rest."""
    return {name: _copy(value) if isinstance(value, dict) else value for name, value in values.items()}


def _is_word(event: Event) -> bool:
    return event.type == CallType.TRACK and event.purposes == [Purpose.NECESSARY]


def _spoken_of(words: Sequence[Word]) -> set[Purpose]:
    return {word.consent.purpose for word in words}
