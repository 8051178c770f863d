"""Answers by name: Segment's `categoryPreferences`, RudderStack's lists of ids, OneTrust's list of active groups."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from domain.consent import Purpose, State, Statements
from privacy.signals.bits import check_text
from privacy.signals.mapping import Names
from privacy.signals.refusal import Reason, Refusal

_LONGEST: Final = 4_096


def read_preferences(preferences: Any, names: Names) -> Statements:
    """Read Segment's shape, which is also the tag's: `{"analytics": true, "advertising": false}`."""
    if not isinstance(preferences, Mapping) or not {*map(type, preferences.values())} <= {bool}:
        raise Refusal(Reason.SHAPE)
    return _statements(preferences.items(), names)


def read_consent_ids(management: Any, names: Names) -> Statements:
    """Read RudderStack's shape: `{"allowedConsentIds": ["…"], "deniedConsentIds": ["…"]}`."""
    if not isinstance(management, Mapping):
        raise Refusal(Reason.SHAPE)
    answers: list[tuple[str, bool]] = []
    for name, answer in (("allowedConsentIds", True), ("deniedConsentIds", False)):
        ids = management.get(name, [])
        if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
            raise Refusal(Reason.SHAPE)
        answers += [(each, answer) for each in ids]
    return _statements(answers, names)


def read_groups(active: Any, groups: Names) -> Statements:
    """Read OneTrust's `OnetrustActiveGroups`, `",C0001,C0002,"`: a group that is not in it was refused."""
    allowed = {group.strip().lower() for group in check_text(active, _LONGEST).split(",")}
    return _statements(((group, group in allowed) for group in groups), groups)


def _statements(answers: Iterable[tuple[str, bool]], names: Names) -> Statements:
    """Map names to purposes; of two names for one purpose, the one that refuses counts."""
    statements: dict[Purpose, State] = {}
    for name, allowed in answers:
        for purpose in names.get(name.strip().lower(), ()):
            if not allowed:
                statements[purpose] = State.DENIED
            else:
                statements.setdefault(purpose, State.GRANTED)
    return statements
