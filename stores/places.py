"""Where each thing about a person lives, and which of their requests touches it: the map for access and erasure.

A test holds this list against the tables that there are.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import msgspec

from domain.topics import CONSENTS, DEAD_LETTERS, ERASURES, EVENTS, SEGMENT_CHANGES
from privacy.fields import Place as Part
from privacy.fields import ResolvedField, resolved_fields
from privacy.plan import Kind, Plan
from privacy.record import name_of


class Store(StrEnum):
    """What keeps it."""

    TABLE = "table"
    TOPIC = "topic"
    CACHE = "cache"
    DISK = "disk"


class Request(StrEnum):
    """What a person may ask for (GDPR, articles 15 to 21)."""

    ACCESS = "access"
    RECTIFY = "rectify"
    ERASE = "erase"
    RESTRICT = "restrict"
    PORTABILITY = "portability"


class Place(msgspec.Struct, frozen=True):
    """One place: a column, a topic or a cache."""

    store: Store
    name: str
    """`table.column`, the topic, or the pattern of the cache's keys."""
    holds: str
    found_by: str
    """The column or key that leads from a person to it."""
    requests: tuple[Request, ...]
    sealed: bool = False
    ends: str = "with the tracking plan's retention"


class FieldPlaces(msgspec.Struct, frozen=True):
    """Where one field of the plan lives."""

    field: str
    sealed: bool
    places: tuple[str, ...]
    requests: tuple[Request, ...]


_GIVEN: Final = (Request.ACCESS, Request.RECTIFY, Request.ERASE, Request.RESTRICT, Request.PORTABILITY)
_KNOWN: Final = (Request.ACCESS, Request.ERASE, Request.RESTRICT)
_GONE: Final = (Request.ERASE,)
_WITH_PERSON: Final = "with the person"
_WITH_LOG: Final = "with the log, TAGWAY_LOG_RETENTION_DAYS"


def _table(name: str, holds: str, found_by: str, requests: tuple[Request, ...], **more: object) -> Place:
    return msgspec.convert(
        {"store": Store.TABLE, "name": name, "holds": holds, "found_by": found_by, "requests": requests, **more}, Place
    )


PLACES: Final[tuple[Place, ...]] = (
    _table("event.properties", "what was told about an event", "subject_id", _GIVEN),
    _table("event.traits", "what an event stated about the person", "subject_id", _GIVEN),
    _table("event.context", "circumstances of an event", "subject_id", _GIVEN),
    _table("event.sealed", "sealed fields, user and group id", "subject_id", _GIVEN, sealed=True),
    _table("profile.traits", "the newest statement of each trait", "id", _GIVEN),
    _table("profile.sealed", "the newest statement of each sealed trait", "id", _GIVEN, sealed=True),
    _table("profile.counters", "how often each event happened", "id", _KNOWN, ends=_WITH_PERSON),
    _table("profile.scores", "what models said of the person", "id", _KNOWN, ends=_WITH_PERSON),
    _table("alias.index", "blind indexes of identifiers", "subject_id", _KNOWN, ends=_WITH_PERSON),
    _table("subject.wrapped_key", "the person's data key", "profile_id", _GONE, sealed=True, ends=_WITH_PERSON),
    _table("claim.decision", "which identifiers were shown to be one person", "subject_id", _KNOWN, ends=_WITH_PERSON),
    _table("claim.index", "blind indexes of identifiers seen together", "subject_id", _GONE, ends=_WITH_PERSON),
    _table("event_tally.many", "how many events are no longer kept", "subject_id", _GONE, ends=_WITH_PERSON),
    _table("statement.traits", "what was stated in events that are no longer kept", "subject_id", _KNOWN),
    _table("statement.sealed", "sealed fields stated in such events", "subject_id", _KNOWN, sealed=True),
    _table("likeness.bits", "keyed filters of name, birth date, postcode", "subject_id", _GONE, ends=_WITH_PERSON),
    _table("match_candidate.score", "how like another person", "subject_id", _GONE, ends=_WITH_PERSON),
    _table("consent.state", "the last word on each purpose", "subject_id", _KNOWN, ends="a refusal: never"),
    _table("membership.segment_id", "segments the person is in", "profile_id", _KNOWN, ends=_WITH_PERSON),
    _table(
        "leaf_state.stamps",
        "when counted events happened, hashes of what they held",
        "profile_id",
        _KNOWN,
        ends="with its window",
    ),
    _table("segment_change.cause", "segments entered and left", "profile_id", _KNOWN, ends=_WITH_LOG),
    _table(
        "access_log.fields", "who saw which fields", "profile_id", (Request.ACCESS,), ends="never: it proves access"
    ),
    _table(
        "consent_opening.salt", "whom a record of the consent ledger is about", "subject_id", _KNOWN, ends=_WITH_PERSON
    ),
    _table("consent_evidence.digest", "which signals were recorded", "subject_id", _KNOWN, ends=_WITH_PERSON),
    _table("vault_token.hash", "tokens that stand for a value elsewhere", "subject_id", _GONE, ends="when it expires"),
    _table("privacy_request.result", "answers to requests", "profile_id", _GONE, sealed=True, ends="when it expires"),
    _table("erasure.subject_id", "random ids of who was erased", "subject_id", (), ends="never: keeps them forgotten"),
    Place(Store.TOPIC, CONSENTS, "what was said about consent", "key", _GONE, ends=_WITH_LOG),
    Place(Store.TOPIC, ERASURES, "random ids of who was erased", "key", (), ends="never: keeps them forgotten"),
    Place(Store.TOPIC, EVENTS, "every event, as the tables have it", "key", _GONE, sealed=True, ends=_WITH_LOG),
    Place(Store.TABLE, "log_record.value", "the topics, where Kafka is not used", "key", _GONE, ends=_WITH_LOG),
    Place(Store.TABLE, "dead_letter.value", "events that could not be built", "value", _GONE, ends=_WITH_LOG),
    Place(Store.TOPIC, DEAD_LETTERS, "where events lie that could not be built", "none", (), ends=_WITH_LOG),
    Place(Store.TOPIC, SEGMENT_CHANGES, "segments entered and left", "key", _GONE, ends=_WITH_LOG),
    Place(Store.DISK, "spool", "requests that wait for a store", "asked when run", _GONE, sealed=True, ends="when run"),
    Place(Store.CACHE, "tagway:subject:*", "subjects by blind index", "index", _GONE, sealed=True, ends="in a minute"),
)


def tables() -> frozenset[str]:
    """Name the tables that the map knows."""
    return frozenset(place.name.partition(".")[0] for place in PLACES if place.store is Store.TABLE)


def field_places(plan: Plan) -> tuple[FieldPlaces, ...]:
    """Say of every field of a plan where it lives."""
    return tuple(_places_of(field) for field in resolved_fields(plan))


def _places_of(field: ResolvedField) -> FieldPlaces:
    own = "event.sealed" if field.sealed else f"event.{field.place}"
    names = [own, *_copies(field)]
    requests = dict.fromkeys(request for place in PLACES if place.name in names for request in place.requests)
    return FieldPlaces(name_of(field), field.sealed, tuple(names), tuple(requests))


def _copies(field: ResolvedField) -> Iterator[str]:
    if field.place is Part.TRAITS:
        yield "profile.sealed" if field.sealed else "profile.traits"
    if field.kind in (Kind.EMAIL, Kind.PHONE) and field.path.count(".") == 1:
        yield "alias.index"
    yield from (EVENTS, "log_record.value", "dead_letter.value")
