"""What a call and its request say about consent, source by source.

A source that is malformed refuses everything it could have granted: it is never guessed what was meant. Names that no
purpose is mapped to say nothing. Raw TC and GPP strings are not sources yet.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from domain.consent import CONSENTABLE, Purpose, State, Statements

Categories = Mapping[str, tuple[Purpose, ...]]
"""Lower-case names of a consent banner's categories → the purposes that each stands for."""

CATEGORIES: Final[Categories] = MappingProxyType(
    {
        "necessary": (),
        "strictly_necessary": (),
        "essential": (),
        "functional": (Purpose.FUNCTIONAL,),
        "functionality": (Purpose.FUNCTIONAL,),
        "preferences": (Purpose.FUNCTIONAL,),
        "analytics": (Purpose.ANALYTICS,),
        "statistics": (Purpose.ANALYTICS,),
        "performance": (Purpose.ANALYTICS,),
        "personalization": (Purpose.PERSONALIZATION,),
        "personalisation": (Purpose.PERSONALIZATION,),
        "advertising": (Purpose.ADVERTISING,),
        "marketing": (Purpose.ADVERTISING,),
        "targeting": (Purpose.ADVERTISING,),
        "sale_or_share": (Purpose.SALE_OR_SHARE,),
        "saleorshare": (Purpose.SALE_OR_SHARE,),
        "c0001": (),
        "c0002": (Purpose.ANALYTICS,),
        "c0003": (Purpose.FUNCTIONAL,),
        "c0004": (Purpose.ADVERTISING,),
        # Social media cookies: a yes to them is not a yes to advertising.
        "c0005": (),
    }
)

_REFUSED: Final[Statements] = MappingProxyType(dict.fromkeys(CONSENTABLE, State.DENIED))
_GPC: Final[Statements] = MappingProxyType({Purpose.ADVERTISING: State.DENIED, Purpose.SALE_OR_SHARE: State.DENIED})
_ABSENT: Final = object()


class Signal(msgspec.Struct, frozen=True):
    """One source's statements. `problem` says why a malformed one refuses everything."""

    source: str
    statements: Statements
    problem: str | None = None


def signals_of(
    context: Mapping[str, Any], headers: Mapping[str, str], categories: Categories = CATEGORIES
) -> tuple[Signal, ...]:
    """Read every source of a call: its `context`, and the headers of its request (names in lower case).

    Sources that are absent are left out; the stored consent is for the caller to add.
    """
    found = []
    if "consent" in context:
        found.append(_read_preferences(context["consent"], categories))
    if "consentManagement" in context:
        found.append(_read_consent_ids(context["consentManagement"], categories))
    if headers.get("sec-gpc", "").strip() == "1":
        found.append(Signal("gpc", _GPC))
    return tuple(found)


def _read_preferences(consent: Any, categories: Categories) -> Signal:
    """Segment's shape, which is also the tag's: `{"categoryPreferences": {"analytics": true, …}}`."""
    source = "category_preferences"
    if not isinstance(consent, dict):
        return _malformed(source, "context.consent: must be an object")
    preferences = consent.get("categoryPreferences", _ABSENT)
    if preferences is _ABSENT:
        return Signal(source, {})
    if not isinstance(preferences, dict):
        return _malformed(source, "context.consent.categoryPreferences: must be an object")
    if not {*map(type, preferences.values())} <= {bool}:
        return _malformed(source, "context.consent.categoryPreferences: must hold only true and false")
    return Signal(source, _statements(preferences.items(), categories))


def _read_consent_ids(management: Any, categories: Categories) -> Signal:
    """RudderStack's shape: `{"allowedConsentIds": […], "deniedConsentIds": […]}`."""
    source = "consent_management"
    if not isinstance(management, dict):
        return _malformed(source, "context.consentManagement: must be an object")
    answers: list[tuple[str, bool]] = []
    for name, answer in (("allowedConsentIds", True), ("deniedConsentIds", False)):
        ids = management.get(name, [])
        if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
            return _malformed(source, f"context.consentManagement.{name}: must be a list of strings")
        answers += [(each, answer) for each in ids]
    return Signal(source, _statements(answers, categories))


def _statements(answers: Iterable[tuple[str, bool]], categories: Categories) -> Statements:
    """Map names to purposes; of two names for one purpose, the one that refuses counts."""
    statements: dict[Purpose, State] = {}
    for name, allowed in answers:
        for purpose in categories.get(name.strip().lower(), ()):
            if not allowed:
                statements[purpose] = State.DENIED
            else:
                statements.setdefault(purpose, State.GRANTED)
    return statements


def _malformed(source: str, problem: str) -> Signal:
    return Signal(source, _REFUSED, problem)
