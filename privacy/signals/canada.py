"""Canada's section of a GPP string (tcfcav1): TCF's fields, with express and implied consent in place of interests.

Format: IAB Tech Lab, "GPP Extension: IAB Canada TCF". Its vendors stand in Fibonacci ranges; early strings wrote TCF's
fixed ones and nothing in the text says which, so a segment counts only if all ways of reading it agree.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from privacy.signals.bits import Bits
from privacy.signals.refusal import Reason, Refusal
from privacy.signals.tcf import (
    PublisherConsent,
    Restriction,
    RestrictionType,
    read_date,
    read_publisher,
    read_restrictions,
)
from privacy.signals.vendors import (
    MOST,
    Ranges,
    Vendors,
    covers,
    read_fibonacci_ranges,
    read_fixed_ranges,
    read_vendors,
)

ReadRanges = Callable[[Bits, int], Ranges]
_Read = TypeVar("_Read")

_VERSION: Final = 1
_DISCLOSED: Final = 1
_PUBLISHER: Final = 3
_PURPOSE_FIELD: Final = 24


class CanadaString(msgspec.Struct, frozen=True):
    """All fields of the section."""

    version: int
    created: datetime
    last_updated: datetime
    cmp_id: int
    cmp_version: int
    consent_screen: int
    consent_language: str
    vendor_list_version: int
    policy_version: int
    use_non_standard_stacks: bool
    special_features: frozenset[int]
    express_consents: frozenset[int]
    implied_consents: frozenset[int]
    vendor_express_consents: Vendors
    vendor_implied_consents: Vendors
    restrictions: tuple[Restriction, ...]
    disclosed_vendors: Vendors | None = None
    publisher: PublisherConsent | None = None


def decode_canada(text: str) -> CanadaString:
    """Read the section. Raises `Refusal`."""
    core, *others = text.split(".")
    string = _agreed(core, _read_core)
    segments: dict[int, str] = {}
    for segment in others:
        kind = Bits(segment).number(3)
        if kind in segments or kind == 0:
            raise Refusal(Reason.DUPLICATE_SEGMENT)
        if kind not in (_DISCLOSED, _PUBLISHER):
            raise Refusal(Reason.UNKNOWN_SEGMENT)
        segments[kind] = segment
    return msgspec.structs.replace(
        string,
        disclosed_vendors=_agreed(segments[_DISCLOSED], _read_disclosed) if _DISCLOSED in segments else None,
        publisher=_agreed(segments[_PUBLISHER], _read_publisher) if _PUBLISHER in segments else None,
    )


def _agreed(text: str, read: Callable[[Bits, ReadRanges], _Read]) -> _Read:
    """Read a segment with either kind of ranges; a segment that means two things means nothing."""
    found: list[_Read] = []
    refusals: list[Refusal] = []
    for read_ranges in (read_fibonacci_ranges, read_fixed_ranges):
        try:
            found.append(_read_whole(text, read, read_ranges))
        except Refusal as refusal:
            refusals.append(refusal)
    if not found:
        raise refusals[0]
    if any(each != found[0] for each in found):
        raise Refusal(Reason.VALUE)
    return found[0]


def _read_whole(text: str, read: Callable[[Bits, ReadRanges], _Read], read_ranges: ReadRanges) -> _Read:
    bits = Bits(text)
    string = read(bits, read_ranges)
    bits.end()
    return string


def _read_core(bits: Bits, read_ranges: ReadRanges) -> CanadaString:
    if bits.number(6) != _VERSION:
        raise Refusal(Reason.UNKNOWN_VERSION)
    return CanadaString(
        version=_VERSION,
        created=read_date(bits),
        last_updated=read_date(bits),
        cmp_id=bits.number(12),
        cmp_version=bits.number(12),
        consent_screen=bits.number(6),
        consent_language=bits.letters(2),
        vendor_list_version=bits.number(12),
        policy_version=bits.number(6),
        use_non_standard_stacks=bits.flag(),
        special_features=bits.ids(12),
        express_consents=bits.ids(_PURPOSE_FIELD),
        implied_consents=bits.ids(_PURPOSE_FIELD),
        vendor_express_consents=read_vendors(bits, read_ranges),
        vendor_implied_consents=read_vendors(bits, read_ranges),
        restrictions=read_restrictions(bits, lambda each: _read_restricted(each, read_ranges)),
    )


def _read_restricted(bits: Bits, read_ranges: ReadRanges) -> Ranges:
    """Fibonacci restrictions hold a whole vendor section, fixed ones ranges alone."""
    return read_vendors(bits, read_ranges).ranges if read_ranges is read_fibonacci_ranges else read_ranges(bits, MOST)


def _read_disclosed(bits: Bits, read_ranges: ReadRanges) -> Vendors:
    bits.number(3)
    return read_vendors(bits, read_ranges)


def _read_publisher(bits: Bits, _read_ranges: ReadRanges) -> PublisherConsent:
    bits.number(3)
    return read_publisher(bits)


def permits_canada(string: CanadaString, purpose: int, *, vendor: int | None, by_implication: bool) -> bool:
    """Tell whether a purpose may be pursued, by `vendor` where the site has an id; see `tcf.permits`.

    A publisher's restriction may forbid the purpose to the vendor or demand express consent (1); implied consent does
    where `by_implication` lets it.
    """
    express = purpose in string.express_consents
    implied = by_implication and purpose in string.implied_consents
    if vendor is None:
        return express or implied
    demanded = {each.type for each in string.restrictions if each.purpose == purpose and covers(each.vendors, vendor)}
    disclosed = string.disclosed_vendors is None or vendor in string.disclosed_vendors
    if not disclosed or RestrictionType.NOT_ALLOWED in demanded:
        return False
    implied = implied and vendor in string.vendor_implied_consents and RestrictionType.REQUIRE_CONSENT not in demanded
    return implied or (express and vendor in string.vendor_express_consents)
