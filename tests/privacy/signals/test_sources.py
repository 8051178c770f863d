from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.consent import CONSENTABLE, Purpose, State, Statements, strictest
from privacy.signals.mapping import CATEGORIES, Meaning, SiteMapping
from privacy.signals.sources import signals_of

F, A, P, AD, S = CONSENTABLE


def granted(context: dict[str, Any], headers: dict[str, str] | None = None) -> frozenset[Purpose]:
    return strictest(signal.statements for signal in signals_of(context, headers or {}))


def preferences(**answers: Any) -> dict[str, Any]:
    return {"consent": {"categoryPreferences": answers}}


@pytest.mark.parametrize(
    ("answers", "purposes"),
    [
        ({"functional": True, "analytics": True, "personalization": True, "advertising": True, "sale_or_share": True},
         {F, A, P, AD, S}),
        ({"Analytics": True, " ADVERTISING ": True}, {A, AD}),
        ({"C0001": True, "C0002": True, "C0003": False, "C0004": True}, {A, AD}),
        ({"C0005": True}, set()),
        ({"necessary": True, "preferences": True, "statistics": True, "marketing": False}, {F, A}),
        ({"marketing": True, "advertising": False}, set()),
        ({"advertising": False, "marketing": True}, set()),
        ({"something else": True}, set()),
        ({}, set()),
    ],
)  # fmt: skip
def test_category_preferences(answers: dict[str, bool], purposes: set[Purpose]) -> None:
    assert granted(preferences(**answers)) == purposes


def test_site_may_bring_its_own_categories() -> None:
    context = preferences(Telemetry=True, analytics=True)
    site = SiteMapping(categories={"telemetry": (Purpose.FUNCTIONAL,), "analytics": ()})
    (signal,) = signals_of(context, {}, Meaning(site))
    assert signal.statements == {Purpose.FUNCTIONAL: State.GRANTED}


def test_consent_management_ids() -> None:
    management = {"provider": "oneTrust", "allowedConsentIds": ["C0002", "C0004"], "deniedConsentIds": ["C0004"]}
    assert granted({"consentManagement": management}) == {A}


@pytest.mark.parametrize(
    "context",
    [
        {"consent": None},
        {"consent": "yes"},
        {"consent": True},
        {"consent": []},
        {"consent": {"categoryPreferences": None}},
        {"consent": {"categoryPreferences": ["analytics"]}},
        preferences(analytics="true"),
        preferences(analytics=1),
        preferences(analytics=True, advertising=None),
        {"consentManagement": None},
        {"consentManagement": ["C0002"]},
        {"consentManagement": {"allowedConsentIds": "C0002"}},
        {"consentManagement": {"allowedConsentIds": ["C0002", 3]}},
        {"consentManagement": {"allowedConsentIds": ["C0002"], "deniedConsentIds": None}},
    ],
)
def test_malformed_source_refuses_everything_and_says_why(context: dict[str, Any]) -> None:
    (signal,) = signals_of(context, {})
    assert signal.statements == dict.fromkeys(CONSENTABLE, State.DENIED)
    assert signal.problem is not None
    assert signal.problem.startswith("context.")


def test_malformed_source_overrules_a_good_one() -> None:
    stored: Statements = dict.fromkeys(CONSENTABLE, State.GRANTED)
    signals = signals_of({"consent": "yes"}, {})
    assert strictest([stored, *(signal.statements for signal in signals)]) == frozenset()


@given(
    st.dictionaries(st.sampled_from([*CATEGORIES, "C0002", "other"]), st.none() | st.booleans() | st.text(max_size=5))
)
def test_only_a_plain_yes_to_a_known_category_grants(answers: dict[str, Any]) -> None:
    yes = {name.strip().lower() for name, answer in answers.items() if answer is True}
    could = {purpose for name in yes for purpose in CATEGORIES.get(name, ())}
    assert granted({"consent": {"categoryPreferences": answers}}) <= could


def test_nothing_said_is_no_source() -> None:
    assert signals_of({}, {}) == ()
    assert granted({"consent": {}}) == frozenset()


def test_gpc_refuses_advertising_and_sale() -> None:
    (signal,) = signals_of({}, {"sec-gpc": "1"})
    assert signal.source == "gpc"
    assert signal.statements == {AD: State.DENIED, S: State.DENIED}


@pytest.mark.parametrize("value", ["0", "", "true"])
def test_gpc_has_one_spelling(value: str) -> None:
    assert signals_of({}, {"sec-gpc": value}) == ()


def test_gpc_beats_a_claim() -> None:
    everything = preferences(analytics=True, advertising=True, sale_or_share=True)
    assert granted(everything, {"sec-gpc": "1"}) == {A}
