"""From the bytes of a request to calls: shapes as the SDKs send them, faults told per event."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
import uuid_utils

from domain.errors import Refused
from domain.event import Call, CallType
from domain.pace import MOST_EVENTS
from gateway.collect.skew import correct, read_moment

LARGEST_EVENT: Final = 32 * 1024
LONGEST_MESSAGE_ID: Final = 100
_LONGEST_IDENTIFIER: Final = 500
_LONGEST_NAME: Final = 255
_DEEPEST: Final = 32
# What the SDKs make their ids of. Message ids stay plain for good, so none may hold an address or a sentence.
_MESSAGE_ID: Final = re.compile(r"[A-Za-z0-9._:+/=-]+")

_TYPES: Final = {call_type.value: call_type for call_type in CallType}

Body = TypeVar("Body")

_Id = str | int | float | None


class InvalidEvent(Exception):
    """One event cannot be taken; the text names the part at fault, never a value."""


class Shared(msgspec.Struct, frozen=True):
    """What a request says once for all of its events."""

    sent_at: datetime | None = None
    context: Mapping[str, Any] = {}
    address: str | None = None
    """The caller's address, for calls that ask to have it recorded."""


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """A request's body with its events still unread, so that each may fail alone and be measured."""

    batch: list[msgspec.Raw]
    context: dict[str, Any] | None = None
    sent_at: Any = None
    write_key: str | None = None


class _Signed(msgspec.Struct, frozen=True, rename="camel"):
    """The part of a single call's body that concerns the request."""

    write_key: str | None = None


class _Named(msgspec.Struct, frozen=True, rename="camel"):
    """The part of an event that its answer needs."""

    message_id: _Id = None


class _Wire(msgspec.Struct, frozen=True, rename="camel"):
    """One call as it is written by the SDKs; fields that none of ours uses are passed over unread."""

    type: str | None = None
    message_id: _Id = None
    user_id: _Id = None
    anonymous_id: _Id = None
    group_id: _Id = None
    previous_id: _Id = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None


_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL
)
"""One escaped character, be it written as two halves."""

_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_UNKNOWN_CHARACTER: Final = rb"\ufffd"

_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_signed = msgspec.json.Decoder(_Signed).decode
_decode_named = msgspec.json.Decoder(_Named).decode
_decode_wire = msgspec.json.Decoder(_Wire).decode


def read_batch(body: bytes) -> Envelope:
    """Read a batch's body. Raises `Refused`: `malformed_json`, `invalid_request` or `request_too_large`."""
    envelope = read_json(_decode_envelope, body)
    if len(envelope.batch) > MOST_EVENTS:
        raise Refused(code="request_too_large")
    if envelope.context:
        _check_shared(envelope.context)
    return envelope


def read_single(body: bytes) -> Envelope:
    """Read a body that is one call. Raises `Refused`: `malformed_json`, `invalid_request` or `event_too_large`."""
    signed, body = read_mended(_decode_signed, body)
    if len(body) > LARGEST_EVENT:
        raise Refused(code="event_too_large")
    return Envelope(batch=[msgspec.Raw(body)], write_key=signed.write_key)


def read_sent_at(value: Any) -> datetime | None:
    """Read a request's `sentAt`; one that cannot be read is as good as none."""
    try:
        return read_moment(value)
    except ValueError:
        return None


def read_message_id(raw: bytes) -> str | None:
    """Read the message id of an event, as far as it has one that may be repeated."""
    try:
        return _message_id(_decode_named(raw).message_id)
    except (msgspec.MsgspecError, ValueError, RecursionError, InvalidEvent):
        return None


def new_message_id() -> str:
    """Make an id for an event that came without one. It is random: a retry of that event counts as another."""
    return str(uuid_utils.uuid7())


def decode_event(raw: bytes, call_type: CallType | None, shared: Shared, received_at: datetime) -> Call:
    """Turn one event into a call; `call_type` is that of the route, if it has one. Raises `InvalidEvent`."""
    call = read_call(raw, call_type, shared, received_at)
    _require(call)
    return call


def read_call(raw: bytes, call_type: CallType | None, shared: Shared, received_at: datetime) -> Call:
    """Turn one event into a call as `decode_event` does, whomever it is about: a row of a file may know no user id."""
    wire = _read_wire(raw)
    call_type = call_type or _TYPES.get((wire.type or "").lower())
    if call_type is None:
        raise InvalidEvent("type: not one of " + ", ".join(_TYPES))
    sent_at = _moment("sentAt", wire.sent_at) or shared.sent_at
    original = _moment("timestamp", wire.timestamp) or _moment("originalTimestamp", wire.original_timestamp)
    message_id = _message_id(wire.message_id) or new_message_id()
    context = {**shared.context, **(wire.context or {})}
    if context.get("direct") is True and shared.address:
        context.setdefault("ip", shared.address)
    return Call(
        type=call_type,
        message_id=message_id,
        name=_name(call_type, wire),
        timestamp=correct(original, sent_at, received_at),
        original_timestamp=original,
        sent_at=sent_at,
        received_at=received_at,
        user_id=_identifier("userId", wire.user_id),
        anonymous_id=_identifier("anonymousId", wire.anonymous_id),
        group_id=_identifier("groupId", wire.group_id),
        previous_id=_identifier("previousId", wire.previous_id),
        properties=_properties(wire),
        traits=_traits(call_type, wire, context),
        context=context,
    )


def read_json(decode: Callable[[bytes], Body], body: bytes) -> Body:
    """Read a body as `read_mended` does, where what it says is all that is wanted."""
    return read_mended(decode, body)[0]


def read_mended(decode: Callable[[bytes], Body], body: bytes) -> tuple[Body, bytes]:
    """Read a body with a typed decoder, mended where only that makes it readable, and return what was read.

    Raises `Refused`: `malformed_json`, or `invalid_request` naming the place.
    """
    try:
        return _read_strictly(decode, body), body
    except Refused as refused:
        mended = mend_halves(body) if refused.code == "malformed_json" else body
        if mended == body:
            raise
    return _read_strictly(decode, mended), mended


def mend_halves(body: bytes) -> bytes:
    """Write U+FFFD for each half of a character that is escaped without its other half.

    JavaScript and Python write such halves for texts that were cut inside of an emoji; no store can keep them.
    """
    return _ESCAPE.sub(lambda found: _UNKNOWN_CHARACTER if _HALF.fullmatch(found[0]) else found[0], body)


def _read_strictly(decode: Callable[[bytes], Body], body: bytes) -> Body:
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise Refused(str(error)) from error
    except RecursionError as error:
        raise Refused("The body is nested too deeply.", code="malformed_json") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(code="malformed_json") from error


def _check_shared(context: dict[str, Any]) -> None:
    """Refuse a context that no event could be kept with."""
    if _deeper(context, _DEEPEST):
        raise Refused(f"context: nested deeper than {_DEEPEST} levels")
    if _holds_nul(msgspec.json.encode(context)):
        raise Refused("context: holds a NUL character")


def _holds_nul(raw: bytes) -> bool:
    """Tell whether a text of JSON escapes a NUL: Postgres keeps none in text or JSON."""
    return b"\\u0000" in raw and b"\\u0000" in raw.replace(b"\\\\", b"")


def _read_wire(raw: bytes) -> _Wire:
    try:
        wire: _Wire = _decode_wire(raw)
    except msgspec.ValidationError as error:
        raise InvalidEvent(str(error)) from error
    except UnicodeDecodeError as error:
        raise InvalidEvent("not valid UTF-8") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidEvent("not valid JSON") from error
    # Found here a NUL costs one event, found by the builder a whole batch.
    if _holds_nul(raw):
        raise InvalidEvent("holds a NUL character")
    # As many brackets as levels are needed to be too deep, so most events need no walk.
    if raw.count(b"{") + raw.count(b"[") > _DEEPEST and _deeper(msgspec.structs.asdict(wire), _DEEPEST):
        raise InvalidEvent(f"nested deeper than {_DEEPEST} levels")
    return wire


def _name(call_type: CallType, wire: _Wire) -> str:
    if call_type is CallType.TRACK:
        name = (wire.event or "").strip()
        if not name:
            raise InvalidEvent("event: a track call needs a name")
    elif call_type in (CallType.PAGE, CallType.SCREEN):
        name = (wire.name or "").strip()
    else:
        name = call_type.value
    if len(name) > _LONGEST_NAME:
        raise InvalidEvent(
            f"{'event' if call_type is CallType.TRACK else 'name'}: longer than {_LONGEST_NAME} characters"
        )
    return name


def _properties(wire: _Wire) -> dict[str, Any]:
    properties = wire.properties or {}
    if wire.category and "category" not in properties:
        return {"category": wire.category, **properties}
    return properties


def _traits(call_type: CallType, wire: _Wire, context: Mapping[str, Any]) -> dict[str, Any]:
    """RudderStack's browser SDK sends the traits of an identify call in its context."""
    traits = wire.traits or {}
    if call_type is CallType.IDENTIFY and isinstance(carried := context.get("traits"), dict):
        return {**carried, **traits}
    return traits


def _require(call: Call) -> None:
    if call.user_id is None and call.anonymous_id is None:
        raise InvalidEvent("userId or anonymousId is needed")
    if call.type is CallType.GROUP and call.group_id is None:
        raise InvalidEvent("groupId: a group call needs one")
    if call.type is CallType.ALIAS and (call.user_id is None or call.previous_id is None):
        raise InvalidEvent("previousId and userId: an alias call needs both")


def _moment(field: str, value: Any) -> datetime | None:
    try:
        return read_moment(value)
    except ValueError as error:
        raise InvalidEvent(f"{field}: not a date and time of ISO 8601 since 1970") from error


def _message_id(value: _Id) -> str | None:
    message_id = _identifier("messageId", value)
    if message_id is None:
        return None
    if len(message_id) > LONGEST_MESSAGE_ID:
        raise InvalidEvent(f"messageId: longer than {LONGEST_MESSAGE_ID} characters")
    if _MESSAGE_ID.fullmatch(message_id) is None:
        raise InvalidEvent("messageId: may hold letters, digits and ._:+/=- only")
    return message_id


def spelled(value: object) -> str | None:
    """Write an identifier as all of its spellings are taken: numbers as JavaScript would, `12.0` as `12`."""
    if value is None:
        return None
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _identifier(field: str, value: _Id) -> str | None:
    text = spelled(value)
    if text is not None and len(text) > _LONGEST_IDENTIFIER:
        raise InvalidEvent(f"{field}: longer than {_LONGEST_IDENTIFIER} characters")
    return text


def _deeper(value: Any, levels: int) -> bool:
    """Tell whether a structure is nested deeper than `levels`."""
    if isinstance(value, dict):
        return levels == 0 or any(_deeper(inner, levels - 1) for inner in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_deeper(inner, levels - 1) for inner in value)
    return False
