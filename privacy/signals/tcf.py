"""IAB Europe's TC string, version 2: from text to fields, and from fields to what was consented to.

Format: IAB Tech Lab, "Consent string and vendor list formats v2". Whether a string that can be read may still be relied
on is a matter of policy and of time, so `check_policy` is asked apart from `decode`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from types import MappingProxyType
from typing import Final

import msgspec

from privacy.signals.bits import Bits, check_text
from privacy.signals.refusal import Reason, Refusal
from privacy.signals.vendors import MOST, Ranges, Vendors, covers, read_fixed_ranges, read_vendors

PURPOSES: Final = range(1, 12)
"""1 storage on the device · 2 basic ads · 3, 4 ad profiles · 5, 6 content profiles · 7 measure ads ·
8 measure content · 9 audience statistics · 10 improve services · 11 basic content."""

STORAGE: Final = 1

_VERSION: Final = 2
_OLDEST_POLICY: Final = 4
_DISCLOSURE_UNTIL: Final = date(2026, 2, 28)
"""Strings made after this day must say which vendors were disclosed; the policy version does not tell (TCF 2.3)."""
_AHEAD_AT_MOST: Final = timedelta(days=1)
"""Strings hold a day, cut to midnight; a visitor's clock may be in the next one already."""
_NEVER_BY_INTEREST: Final = frozenset({1, 3, 4, 5, 6})
_PURPOSE_FIELD: Final = 24
_DECISECOND: Final = timedelta(milliseconds=100)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class RestrictionType(IntEnum):
    """What a publisher says of some vendors and one purpose."""

    NOT_ALLOWED = 0
    REQUIRE_CONSENT = 1
    REQUIRE_LEGITIMATE_INTEREST = 2


class Restriction(msgspec.Struct, frozen=True):
    """One restriction of the publisher. It may name vendors that no list has."""

    purpose: int
    type: RestrictionType
    vendors: Ranges


class PublisherConsent(msgspec.Struct, frozen=True):
    """What the visitor said to the publisher itself; the ids of custom purposes begin at 1."""

    consents: frozenset[int]
    legitimate_interests: frozenset[int]
    custom_purposes: int
    custom_consents: frozenset[int]
    custom_legitimate_interests: frozenset[int]


class TCString(msgspec.Struct, frozen=True):
    """All fields of a TC string. Legitimate interests that policy rules out (1 and 3 to 6) are never in it."""

    version: int
    created: datetime
    last_updated: datetime
    cmp_id: int
    cmp_version: int
    consent_screen: int
    consent_language: str
    vendor_list_version: int
    policy_version: int
    is_service_specific: bool
    use_non_standard_texts: bool
    special_features: frozenset[int]
    consents: frozenset[int]
    legitimate_interests: frozenset[int]
    purpose_one_treatment: bool
    publisher_country: str
    vendor_consents: Vendors
    vendor_legitimate_interests: Vendors
    restrictions: tuple[Restriction, ...]
    disclosed_vendors: Vendors | None = None
    allowed_vendors: Vendors | None = None
    publisher: PublisherConsent | None = None
    unknown_segments: tuple[int, ...] = ()
    """Types of segments that this version does not know; they are passed over."""


def decode(text: object) -> TCString:
    """Read a TC string. Raises `Refusal`; white space around it is not part of the format and so a reason too."""
    core, *others = check_text(text).split(".")
    bits = Bits(core)
    _check_version(bits)
    return _read_core(bits, _read_segments(others))


def check_policy(string: TCString, at: datetime, longest: timedelta) -> None:
    """Refuse a string that must not be relied on any more at `at`, or whose consent is older than `longest`."""
    newest = max(string.created, string.last_updated)
    if not string.is_service_specific:
        raise Refusal(Reason.GLOBAL_SCOPE)
    if string.policy_version < _OLDEST_POLICY:
        raise Refusal(Reason.OBSOLETE_POLICY)
    if string.disclosed_vendors is None and newest.date() > _DISCLOSURE_UNTIL:
        raise Refusal(Reason.UNDISCLOSED)
    check_age(string.created, string.last_updated, at, longest)


def check_age(created: datetime, last_updated: datetime, at: datetime, longest: timedelta) -> None:
    """Refuse a string of the future, and one that is older than `longest` at `at`."""
    if max(created, last_updated) > at + _AHEAD_AT_MOST:
        raise Refusal(Reason.FUTURE)
    if last_updated < at - longest:
        raise Refusal(Reason.EXPIRED)


def permits(string: TCString, purpose: int, *, vendor: int | None, by_interest: bool) -> bool:
    """Tell whether a purpose may be pursued: by `vendor`, where the site has an id in the vendor list.

    `by_interest` lets a legitimate interest stand for consent where both the visitor and the publisher leave it. The
    publisher may forbid a purpose to the vendor, or demand one of the two bases.
    """
    by_consent = purpose in string.consents
    by_interest = by_interest and purpose in string.legitimate_interests
    if vendor is not None:
        demanded = {
            each.type for each in string.restrictions if each.purpose == purpose and covers(each.vendors, vendor)
        }
        disclosed = string.disclosed_vendors is None or vendor in string.disclosed_vendors
        if not disclosed or RestrictionType.NOT_ALLOWED in demanded:
            return False
        by_consent = (
            by_consent
            and vendor in string.vendor_consents
            and RestrictionType.REQUIRE_LEGITIMATE_INTEREST not in demanded
        )
        by_interest = (
            by_interest
            and vendor in string.vendor_legitimate_interests
            and RestrictionType.REQUIRE_CONSENT not in demanded
        )
    return by_consent or by_interest


def read_date(bits: Bits) -> datetime:
    """Read a time in tenths of a second since 1970."""
    return _EPOCH + bits.number(36) * _DECISECOND


def read_restrictions(bits: Bits, read_ids: Callable[[Bits], Ranges]) -> tuple[Restriction, ...]:
    """Read a publisher's restrictions; `read_ids` is the section's way to write the vendors."""
    return tuple(_read_restriction(bits, read_ids) for _ in range(bits.number(12)))


def read_publisher(bits: Bits) -> PublisherConsent:
    """Read what follows the type of the segment on the publisher's own purposes."""
    consents, interests = bits.ids(_PURPOSE_FIELD), bits.ids(_PURPOSE_FIELD)
    custom = bits.number(6)
    return PublisherConsent(consents, interests, custom, bits.ids(custom), bits.ids(custom))


class _Segments(msgspec.Struct):
    disclosed_vendors: Vendors | None = None
    allowed_vendors: Vendors | None = None
    publisher: PublisherConsent | None = None
    unknown: tuple[int, ...] = ()


def _check_version(bits: Bits) -> None:
    version = bits.number(6)
    if version == 1:
        raise Refusal(Reason.OBSOLETE_VERSION)
    if version != _VERSION:
        # The other segments begin with a type of three bits that no version of a core has come to yet.
        raise Refusal(Reason.CORE_NOT_FIRST if version >> 3 else Reason.UNKNOWN_VERSION)


def _read_core(bits: Bits, segments: _Segments) -> TCString:
    string = TCString(
        version=_VERSION,
        created=read_date(bits),
        last_updated=read_date(bits),
        cmp_id=bits.number(12),
        cmp_version=bits.number(12),
        consent_screen=bits.number(6),
        consent_language=bits.letters(2),
        vendor_list_version=bits.number(12),
        policy_version=bits.number(6),
        is_service_specific=bits.flag(),
        use_non_standard_texts=bits.flag(),
        special_features=bits.ids(12),
        consents=bits.ids(_PURPOSE_FIELD),
        legitimate_interests=bits.ids(_PURPOSE_FIELD) - _NEVER_BY_INTEREST,
        purpose_one_treatment=bits.flag(),
        publisher_country=bits.letters(2),
        vendor_consents=read_vendors(bits, read_fixed_ranges),
        vendor_legitimate_interests=read_vendors(bits, read_fixed_ranges),
        restrictions=read_restrictions(bits, lambda each: read_fixed_ranges(each, MOST)),
        disclosed_vendors=segments.disclosed_vendors,
        allowed_vendors=segments.allowed_vendors,
        publisher=segments.publisher,
        unknown_segments=segments.unknown,
    )
    bits.end()
    return string


def _read_restriction(bits: Bits, read_ids: Callable[[Bits], Ranges]) -> Restriction:
    purpose, kind = bits.number(6), bits.number(2)
    if not 1 <= purpose <= _PURPOSE_FIELD or kind > max(RestrictionType):
        raise Refusal(Reason.RESTRICTION)
    return Restriction(purpose, RestrictionType(kind), read_ids(bits))


def _read_disclosed(bits: Bits, segments: _Segments) -> None:
    segments.disclosed_vendors = read_vendors(bits, read_fixed_ranges)


def _read_allowed(bits: Bits, segments: _Segments) -> None:
    segments.allowed_vendors = read_vendors(bits, read_fixed_ranges)


def _read_publisher(bits: Bits, segments: _Segments) -> None:
    segments.publisher = read_publisher(bits)


_SEGMENTS: Final[Mapping[int, Callable[[Bits, _Segments], None]]] = MappingProxyType(
    {1: _read_disclosed, 2: _read_allowed, 3: _read_publisher}
)


def _read_segments(texts: list[str]) -> _Segments:
    segments, seen = _Segments(), {0}
    for text in texts:
        bits = Bits(text)
        kind = bits.number(3)
        if kind in seen:
            raise Refusal(Reason.DUPLICATE_SEGMENT)
        seen.add(kind)
        read = _SEGMENTS.get(kind)
        if read is None:
            segments.unknown += (kind,)
        else:
            read(bits, segments)
            bits.end()
    return segments
