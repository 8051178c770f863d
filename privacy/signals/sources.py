"""What a call and its request say about consent, source by source: where each stands, and who reads it.

A source that is there and cannot be read refuses everything it could have spoken of: it is never guessed what was
meant. Names that no purpose is mapped to say nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import msgspec

from domain.clock import utc_now
from domain.consent import CONSENTABLE, State, Statements
from privacy.signals import gpp, tcf
from privacy.signals.consent_mode import read_consent_mode
from privacy.signals.mapping import DEFAULT, Meaning
from privacy.signals.preferences import read_consent_ids, read_groups, read_preferences
from privacy.signals.refusal import Reason, Refusal
from privacy.signals.statements import SALE, gpp_statements, privacy_statements, tcf_statements
from privacy.signals.usp import decode_privacy

GPC: Final = "gpc"
"""The source that by law speaks for the person and stays in force: Global Privacy Control, however it arrives."""

_EVERYTHING: Final[Statements] = MappingProxyType(dict.fromkeys(CONSENTABLE, State.DENIED))
_SALE: Final[Statements] = MappingProxyType(dict.fromkeys(SALE, State.DENIED))
_SECTION_IDS: Final = re.compile(r"-?\d{1,5}([,_]-?\d{1,5}){0,63}", re.ASCII)
_MOST_IDS: Final = 64


class Signal(msgspec.Struct, frozen=True):
    """One source's statements. `problem` says where and why one could not be read, and so refuses."""

    source: str
    statements: Statements
    problem: str | None = None
    reason: Reason | None = None

    @property
    def is_privacy_control(self) -> bool:
        """True for Global Privacy Control that is on; false for a field of that name that is off or unreadable."""
        return self.source == GPC and self.problem is None and bool(self.statements)


class _Source(msgspec.Struct, frozen=True):
    """One kind of source: its name, how it is read, and what it refuses when it cannot be."""

    name: str
    read: Callable[[Any, Meaning, datetime], Statements]
    at_stake: Statements = _EVERYTHING


_TCF: Final = _Source("tcf", lambda value, meaning, at: tcf_statements(tcf.decode(value), meaning, at))
_GPP: Final = _Source("gpp", lambda value, meaning, at: gpp_statements(gpp.decode(value), (), meaning, at))
"""Read apart from the others: its sections may be named beside it."""
_PRIVACY: Final = _Source("us_privacy", lambda value, _meaning, _at: privacy_statements(decode_privacy(value)), _SALE)
_MODE: Final = _Source("consent_mode", lambda value, _meaning, _at: read_consent_mode(value))
_GROUPS: Final = _Source("one_trust", lambda value, meaning, _at: read_groups(value, meaning.groups))
_PREFERENCES: Final = _Source(
    "category_preferences", lambda value, meaning, _at: read_preferences(value, meaning.categories)
)
_CONSENT_IDS: Final = _Source(
    "consent_management", lambda value, meaning, _at: read_consent_ids(value, meaning.categories)
)
_CONTROL: Final = _Source(GPC, lambda value, _meaning, _at: _read_control(value), _SALE)

_IN_CONSENT: Final[Mapping[str, _Source]] = MappingProxyType(
    {
        "categoryPreferences": _PREFERENCES,
        **dict.fromkeys(("tcString", "tcfString", "tcf"), _TCF),
        **dict.fromkeys(("gppString", "gpp"), _GPP),
        **dict.fromkeys(("uspString", "usPrivacy"), _PRIVACY),
        **dict.fromkeys(("googleConsentMode", "consentMode"), _MODE),
        **dict.fromkeys(("oneTrustGroups", "oneTrust"), _GROUPS),
        "gpc": _CONTROL,
    }
)
"""Names in `context.consent`."""

_IN_CONTEXT: Final[Mapping[str, _Source]] = MappingProxyType(
    {
        "consentManagement": _CONSENT_IDS,
        **dict.fromkeys(("tcString", "gdpr_consent"), _TCF),
        "gpp": _GPP,
        "us_privacy": _PRIVACY,
        "gpc": _CONTROL,
    }
)
"""Names in `context` itself, most of them as the IAB writes them in requests."""

_SECTIONS: Final = ("gppSid", "gpp_sid")
_HEADER: Final = "sec-gpc"

NAMES: Final = frozenset({"consent", *_IN_CONTEXT, *_SECTIONS})
"""Fields of the context that speak of consent: read before anything is kept, and never kept themselves."""

_encode: Final = msgspec.json.Encoder().encode


def signals_of(
    context: Mapping[str, Any],
    headers: Mapping[str, str],
    meaning: Meaning = DEFAULT,
    at: datetime | None = None,
) -> tuple[Signal, ...]:
    """Read every source of a call: its `context`, and the headers of its request (names in lower case).

    Strings must be good at `at`, the present if it is not given. Sources that are absent are left out; the stored
    consent is for the caller to add.
    """
    at = at or utc_now()
    signals: list[Signal] = []
    strings: list[tuple[str, Any]] = []
    sections: list[tuple[str, Any]] = []
    for place, values, sources in _places(context):
        if not isinstance(values, Mapping):
            signals.append(_unreadable("consent", _EVERYTHING, place, Reason.SHAPE))
            continue
        for name, source in sources.items():
            if name not in values:
                continue
            path, value = f"{place}.{name}", values[name]
            if source is _GPP:
                strings.append((path, value))
            elif source is not _CONTROL or value is not None:
                # `navigator.globalPrivacyControl` is undefined in most browsers, and null where JSON had to write that.
                signals.append(_read(source, path, value, meaning, at))
        sections += [(f"{place}.{name}", values[name]) for name in _SECTIONS if name in values]
    if strings or sections:
        signals += _read_gpp(strings, sections, meaning, at)
    if headers.get(_HEADER, "").strip() == "1":
        signals.append(Signal(GPC, _SALE))
    return tuple(signals)


def words_of(context: Mapping[str, Any]) -> bytes:
    """Write all that a context says about consent, as it was sent: JSON in which the same bytes mean the same."""
    return _encode([(name, context[name]) for name in NAMES if name in context])


def _places(context: Mapping[str, Any]) -> Iterator[tuple[str, Any, Mapping[str, _Source]]]:
    if "consent" in context:
        yield "context.consent", context["consent"], _IN_CONSENT
    yield "context", context, _IN_CONTEXT


def _read(source: _Source, path: str, value: Any, meaning: Meaning, at: datetime) -> Signal:
    try:
        return Signal(source.name, source.read(value, meaning, at))
    except Refusal as refusal:
        return _unreadable(source.name, source.at_stake, path, refusal.reason)


def _read_gpp(
    strings: list[tuple[str, Any]], sections: list[tuple[str, Any]], meaning: Meaning, at: datetime
) -> Iterator[Signal]:
    """Read GPP strings, each of which must have the sections that are said to apply; their GPC is a source apart."""
    applicable: set[int] = set()
    for path, value in sections:
        try:
            applicable |= _read_section_ids(value)
        except Refusal as refusal:
            yield _unreadable(_GPP.name, _EVERYTHING, path, refusal.reason)
    for path, value in strings:
        try:
            string = gpp.decode(value)
            if string.gpc:
                yield Signal(GPC, _SALE)
            yield Signal(_GPP.name, gpp_statements(string, applicable, meaning, at))
        except Refusal as refusal:
            yield _unreadable(_GPP.name, _EVERYTHING, path, refusal.reason)
    if applicable and not strings:
        yield _unreadable(_GPP.name, _EVERYTHING, sections[0][0], Reason.SECTION_MISSING)


def _read_section_ids(value: Any) -> set[int]:
    """Read which sections apply: ids as a list or as text. -1 says that none does, 0 and nothing that nobody knows."""
    if isinstance(value, str) and _SECTION_IDS.fullmatch(value):
        value = [int(each) for each in re.split("[,_]", value)]
    if not isinstance(value, list) or len(value) > _MOST_IDS or not {*map(type, value)} <= {int}:
        raise Refusal(Reason.SHAPE)
    return {each for each in value if each > 0}


def _read_control(value: Any) -> Statements:
    """Read a client's own report of the setting: a yes refuses, a no says nothing."""
    if value in (True, "1"):
        return _SALE
    if value in (False, "0"):
        return {}
    raise Refusal(Reason.VALUE)


def _unreadable(source: str, at_stake: Statements, path: str, reason: Reason) -> Signal:
    return Signal(source, at_stake, f"{path}: {reason.value}", reason)
