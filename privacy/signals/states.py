"""The United States' sections of a GPP string: how each is laid out, and when one of them refuses.

Layouts: IAB Tech Lab, "Global Privacy Platform", folder Sections. The rules of refusal follow those that header bidding
applies to multi-state strings: nobody consents to what they were not told of.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from domain.consent import Purpose
from privacy.signals.bits import Bits
from privacy.signals.refusal import Reason, Refusal

Value = int | tuple[int, ...]

_CHILDREN: Final = "KnownChildSensitiveDataConsents"
_SENSITIVE: Final = "SensitiveDataProcessing"
_NOT_APPLICABLE: Final = 0
_GIVEN_OR_OPTED_OUT: Final = 1
_NOT_GIVEN_OR_STAYED: Final = 2
_NEVER: Final = 3
_GPC_TYPE: Final = 1
_LAST_SHORT: Final = 66


class Layout(msgspec.Struct, frozen=True):
    """One way to write a section: six bits of version, then values of two bits, each name with how many."""

    fields: tuple[tuple[str, int], ...]
    versions: frozenset[int]
    version_name: str
    has_gpc: bool
    """Whether a segment of its own may tell of Global Privacy Control."""
    sensitive: int
    """Values in the segment of its own that may tell of sensitive data; 0 where there is none."""


class StateSection(msgspec.Struct, frozen=True):
    """One section's fields, by the names of the specification; two bits each, or one such value per category."""

    name: str
    fields: Mapping[str, Value]
    gpc: bool | None = None
    """None where the string does not speak of it."""

    def value(self, name: str) -> int | None:
        """Give a field of a single value; None where the section has no such field."""
        found = self.fields.get(name)
        return found if isinstance(found, int) else None


def decode_state(name: str, text: str) -> StateSection:
    """Read a section of this name, a key of `LAYOUTS`. Raises `Refusal`."""
    core, *others = text.split(".")
    bits = Bits(core)
    # Strings of version 1 exist in both layouts, so the length tells.
    layout = _OLDER_NATIONAL if name == "usnat" and bits.length <= _LAST_SHORT else LAYOUTS[name]
    fields = _read_core(bits, layout)
    gpc: bool | None = None
    if len(others) > 1:
        raise Refusal(Reason.DUPLICATE_SEGMENT)
    for segment in map(Bits, others):
        if layout.has_gpc:
            gpc = _read_gpc(segment)
        elif layout.sensitive:
            fields[_SENSITIVE] = _read_values(segment, layout.sensitive)
        else:
            raise Refusal(Reason.UNKNOWN_SEGMENT)
        segment.end()
    return StateSection(name, MappingProxyType(fields), gpc)


def refused(section: StateSection) -> frozenset[Purpose]:
    """Tell what a section refuses; it never grants anything.

    Any rule refuses sale and sharing. Advertising is refused where targeted advertising is (in California, which
    has no such field, where sharing is), and by what concerns the person or the transaction as a whole.
    """
    both = frozenset({Purpose.ADVERTISING, Purpose.SALE_OR_SHARE})
    if section.gpc or _concerns_all(section):
        return both
    scope = "TargetedAdvertising" if "TargetedAdvertisingOptOut" in section.fields else "Sharing"
    if _is_refused(section, scope):
        return both
    sensitive = (f"SensitiveData{kind}Notice" for kind in ("ProcessingOptOut", "LimitUse"))
    if any(_is_refused(section, each) for each in ("Sale", "Sharing")) or any(
        section.value(notice) == _NOT_GIVEN_OR_STAYED for notice in (*sensitive, "SensitiveDataOptOutNotice")
    ):
        return frozenset({Purpose.SALE_OR_SHARE})
    return frozenset()


def _concerns_all(section: StateSection) -> bool:
    """Known children, a service provider's transaction, a first notice that was not given, a consent behind it."""
    children = section.fields.get(_CHILDREN, _NOT_APPLICABLE)
    return (
        (any(children) if isinstance(children, tuple) else children != _NOT_APPLICABLE)
        or section.value("MspaServiceProviderMode") == _GIVEN_OR_OPTED_OUT
        or section.value("MspaMode") == _NOT_GIVEN_OR_STAYED
        or section.value("MspaCoveredTransaction") == _NOT_APPLICABLE
        or section.value("PersonalDataConsents") == _NOT_GIVEN_OR_STAYED
        or _NOT_GIVEN_OR_STAYED in (section.value("SharingNotice"), section.value("ProcessingNotice"))
    )


def _is_refused(section: StateSection, scope: str) -> bool:
    """Opted out; or not told of the choice; or said to have chosen to stay where there was nothing to choose."""
    choice, notice = section.value(f"{scope}OptOut"), section.value(f"{scope}OptOutNotice")
    untold = _NOT_APPLICABLE in (notice, section.value("SharingNotice") if scope == "Sharing" else notice)
    return (
        choice == _GIVEN_OR_OPTED_OUT or notice == _NOT_GIVEN_OR_STAYED or (choice == _NOT_GIVEN_OR_STAYED and untold)
    )


def _read_core(bits: Bits, layout: Layout) -> dict[str, Value]:
    version = bits.number(6)
    if version not in layout.versions:
        raise Refusal(Reason.UNKNOWN_VERSION)
    fields: dict[str, Value] = {layout.version_name: version}
    for name, many in layout.fields:
        values = _read_values(bits, many)
        fields[name] = values[0] if many == 1 else values
    bits.end()
    return fields


def _read_values(bits: Bits, many: int) -> tuple[int, ...]:
    values = bits.numbers(2, many)
    if _NEVER in values:
        raise Refusal(Reason.VALUE)
    return values


def _read_gpc(bits: Bits) -> bool:
    if bits.number(2) != _GPC_TYPE:
        raise Refusal(Reason.UNKNOWN_SEGMENT)
    return bits.flag()


def _layout(
    fields: str, *, versions: tuple[int, ...] = (1,), version: str = "Version", gpc: bool = True, sensitive: int = 0
) -> Layout:
    """Make a layout of names; `Name:3` is a field of three values."""
    pairs = (each.partition(":") for each in fields.split())
    return Layout(
        tuple((name, int(many or 1)) for name, _, many in pairs), frozenset(versions), version, gpc, sensitive
    )


_NATIONAL: Final = (
    "SharingNotice SaleOptOutNotice SharingOptOutNotice TargetedAdvertisingOptOutNotice"
    " SensitiveDataProcessingOptOutNotice SensitiveDataLimitUseNotice SaleOptOut SharingOptOut"
    " TargetedAdvertisingOptOut SensitiveDataProcessing:{} KnownChildSensitiveDataConsents:{} PersonalDataConsents"
    " MspaCoveredTransaction MspaOptOutOptionMode MspaServiceProviderMode"
)
_OLDER_NATIONAL: Final = _layout(_NATIONAL.format(12, 2), versions=(1, 2))

_STATE: Final = (
    "{} SaleOptOutNotice TargetedAdvertisingOptOutNotice SaleOptOut TargetedAdvertisingOptOut"
    " SensitiveDataProcessing:{} KnownChildSensitiveDataConsents:{}{}"
    " MspaCoveredTransaction MspaOptOutOptionMode MspaServiceProviderMode"
)
_ADDITIONAL: Final = " AdditionalDataProcessingConsent"

_RECENT: Final = (
    "MspaCoveredTransaction MspaMode ProcessingNotice SaleOptOutNotice TargetedAdvertisingOptOutNotice SaleOptOut"
    " TargetedAdvertisingOptOut{} AdditionalDataProcessingConsent"
)
_RECENT_WITH_CHILDREN: Final = _RECENT.format(" KnownChildSensitiveDataConsents")


def _state(first: str, sensitive: int, children: int, more: str = _ADDITIONAL, *, gpc: bool = True) -> Layout:
    return _layout(_STATE.format(first, sensitive, children, more), gpc=gpc)


LAYOUTS: Final[Mapping[str, Layout]] = MappingProxyType(
    {
        "usnat": _layout(_NATIONAL.format(16, 3), versions=(1, 2)),
        "usca": _layout(
            "SaleOptOutNotice SharingOptOutNotice SensitiveDataLimitUseNotice SaleOptOut SharingOptOut"
            " SensitiveDataProcessing:9 KnownChildSensitiveDataConsents:2 PersonalDataConsents"
            " MspaCoveredTransaction MspaOptOutOptionMode MspaServiceProviderMode"
        ),
        "usva": _state("SharingNotice", 8, 1, "", gpc=False),
        "usco": _state("SharingNotice", 7, 1, ""),
        "usut": _layout(
            "SharingNotice SaleOptOutNotice TargetedAdvertisingOptOutNotice SensitiveDataProcessingOptOutNotice"
            " SaleOptOut TargetedAdvertisingOptOut SensitiveDataProcessing:8 KnownChildSensitiveDataConsents"
            " MspaCoveredTransaction MspaOptOutOptionMode MspaServiceProviderMode",
            gpc=False,
        ),
        "usct": _state("SharingNotice", 8, 3, ""),
        "usfl": _state("ProcessingNotice", 8, 3, gpc=False),
        "usmt": _state("SharingNotice", 8, 3),
        "usor": _state("ProcessingNotice", 11, 3),
        "ustx": _state("ProcessingNotice", 8, 1),
        "usde": _state("ProcessingNotice", 9, 5),
        "usia": _layout(
            "ProcessingNotice SaleOptOutNotice TargetedAdvertisingOptOutNotice SensitiveDataOptOutNotice"
            " SaleOptOut TargetedAdvertisingOptOut SensitiveDataProcessing:8 KnownChildSensitiveDataConsents"
            " MspaCoveredTransaction MspaOptOutOptionMode MspaServiceProviderMode"
        ),
        "usne": _state("ProcessingNotice", 8, 1),
        "usnh": _state("ProcessingNotice", 8, 3),
        "usnj": _state("ProcessingNotice", 10, 5),
        "ustn": _state("ProcessingNotice", 8, 1),
        "usmn": _state("ProcessingNotice", 8, 1),
        "usmd": _layout(_RECENT.format(""), version="MspaVersion"),
        "usin": _layout(_RECENT_WITH_CHILDREN, version="MspaVersion", gpc=False, sensitive=8),
        "usky": _layout(_RECENT_WITH_CHILDREN, version="MspaVersion", gpc=False, sensitive=8),
        "usri": _layout(_RECENT_WITH_CHILDREN, version="MspaVersion", gpc=False, sensitive=8),
    }
)
"""Every section of the United States by its name in the GPP."""
