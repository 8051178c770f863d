from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.consent import CONSENTABLE, Purpose, State, Statements, strictest
from privacy.signals.mapping import CATEGORIES, DEFAULT, Meaning, SiteMapping
from privacy.signals.refusal import Reason
from privacy.signals.sources import signals_of
from tests.privacy.signals import writing as w
from tests.privacy.signals.vectors import GPP, STATES

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
    could = {purpose for name in yes for purpose in DEFAULT.categories.get(name, ())}
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


ALL_TCF = w.tc_string(consents=range(1, 12))
NO_STORAGE = w.tc_string(consents=range(2, 12))
STAYED = f"{w.gpp_header(6)}~1YNN"
OPTED_OUT = GPP["valid"][0]["string"]
CONTROLLED = GPP["valid"][1]["string"]
TC_IN_GPP = f"{w.gpp_header(2, 6)}~{ALL_TCF}~1YYN"


def consent(**fields: Any) -> dict[str, Any]:
    return {"consent": fields}


def read(context: dict[str, Any], site: SiteMapping | None = None) -> Statements:
    (signal,) = signals_of(context, {}, Meaning(site or SiteMapping()), w.NOW)
    assert signal.problem is None
    return signal.statements


YES, NO = State.GRANTED, State.DENIED


@pytest.mark.parametrize(
    ("context", "said"),
    [
        (consent(tcString=ALL_TCF), {A: YES, P: YES, AD: YES}),
        (consent(tcfString=NO_STORAGE), {A: NO, P: NO, AD: NO}),
        (consent(tcf=w.tc_string(consents=[1, 8, 9])), {A: YES, P: NO, AD: NO}),
        (consent(tcf=w.tc_string(consents=[1, 8, 2, 3, 4])), {A: NO, P: NO, AD: NO}),
        (consent(tcf=w.tc_string(consents=[1], interests=range(1, 12))), {A: NO, P: NO, AD: NO}),
        ({"tcString": ALL_TCF}, {A: YES, P: YES, AD: YES}),
        ({"gdpr_consent": ALL_TCF}, {A: YES, P: YES, AD: YES}),
        (consent(gppString=STAYED), {}),
        (consent(gpp=OPTED_OUT), {S: NO}),
        ({"gpp": TC_IN_GPP, "gpp_sid": [2, 6]}, {A: YES, P: YES, AD: YES, S: NO}),
        ({"gpp": TC_IN_GPP, "gpp_sid": "6"}, {A: YES, P: YES, AD: YES, S: NO}),
        ({"gpp": TC_IN_GPP, "gpp_sid": [-1]}, {A: YES, P: YES, AD: YES, S: NO}),
        ({"gpp": STATES["canada"][2]["string"]}, {A: NO, P: YES, AD: NO}),
        ({"gpp": f"{w.gpp_header(40)}~x"}, {AD: NO, S: NO}),
        (consent(uspString="1YYN"), {S: NO}),
        ({"us_privacy": "1YNN"}, {}),
        (consent(consentMode={"analytics_storage": "granted"}), {A: YES}),
        (consent(googleConsentMode=[["consent", "update", {"analytics_storage": "denied"}]]), {A: NO}),
        (consent(oneTrustGroups=",C0001,C0002,"), {A: YES, F: NO, AD: NO}),
        (consent(oneTrust="c0004"), {A: NO, F: NO, AD: YES}),
        (consent(oneTrust=","), {A: NO, F: NO, AD: NO}),
        (consent(gpc=True), {AD: NO, S: NO}),
        ({"gpc": "1"}, {AD: NO, S: NO}),
        ({"gpc": False}, {}),
    ],
)  # fmt: skip
def test_every_source_by_every_name(context: dict[str, Any], said: Statements) -> None:
    assert read(context) == said


def test_a_site_s_mapping_is_what_counts() -> None:
    vendor = w.tc_string(consents=range(1, 12), vendor_consents=w.vendors(7), disclosed=w.vendors(7))
    assert read(consent(tcf=vendor), SiteMapping(vendor_id=7))[A] is YES
    assert read(consent(tcf=vendor), SiteMapping(vendor_id=8))[A] is NO
    interest = w.tc_string(consents=[1, 8], interests=[9])
    assert read(consent(tcf=interest))[A] is NO
    assert read(consent(tcf=interest), SiteMapping(legitimate_interest=True))[A] is YES
    custom = w.tc_string(consents=[1], more=[w.publisher(custom=[2], many=2)])
    assert read(consent(tcf=custom), SiteMapping(publisher_purposes={F: (2,)}))[F] is YES
    assert read(consent(tcf=custom), SiteMapping(publisher_purposes={F: (1, 2)}))[F] is NO
    assert read(consent(tcf=ALL_TCF), SiteMapping(publisher_purposes={F: (1,)}))[F] is NO
    assert read(consent(tcf=custom), SiteMapping(publisher_purposes={A: (2,)}))[A] is NO
    assert read({"gpp": OPTED_OUT}, SiteMapping(gpp_sections=("tcfeuv2",))) == {}


def test_privacy_control_inside_a_gpp_string_is_a_source_of_its_own() -> None:
    for site in (SiteMapping(), SiteMapping(gpp_sections=())):
        signals = signals_of({"gpp": CONTROLLED}, {}, Meaning(site), w.NOW)
        assert [signal.is_privacy_control for signal in signals] == [True, False]
        assert signals[0].statements == {AD: NO, S: NO}


@pytest.mark.parametrize("name", ["tcString", "gpp", "uspString", "consentMode", "oneTrustGroups", "tcf"])
@pytest.mark.parametrize("value", ["", None, 7, [], " ", "null", "undefined", "[object Object]", "A" * 65_536])
def test_a_source_that_cannot_be_read_refuses_and_never_repeats_what_it_says(name: str, value: Any) -> None:
    if name == "oneTrustGroups" and isinstance(value, str) and 0 < len(value) < 100:
        return  # any such text is a list of groups, all of them unknown
    (signal,) = signals_of(consent(**{name: value}), {}, at=w.NOW)
    assert {*signal.statements.values()} == {NO}
    assert {AD, S} <= signal.statements.keys()
    assert signal.reason is not None
    assert signal.problem == f"context.consent.{name}: {signal.reason.value}"


@pytest.mark.parametrize(
    "context",
    [
        {"gpp_sid": [7]},
        {"gpp_sid": "seven", "gpp": STAYED},
        {"gpp_sid": [7, None], "gpp": STAYED},
        {"gpp_sid": [True], "gpp": STAYED},
        {"gpp_sid": [7], "gpp": STAYED},
        {"gpp": f"{w.gpp_header(2)}~{w.tc_string(consents=range(1, 12), policy=3)}"},
        {"tcString": w.tc_string(consents=range(1, 12), specific=False)},
    ],
)
def test_a_string_that_must_not_be_relied_on_refuses_everything(context: dict[str, Any]) -> None:
    signals = signals_of(context, {}, at=w.NOW)
    assert any(signal.statements == dict.fromkeys(CONSENTABLE, NO) for signal in signals)


def test_a_yes_of_the_future_is_a_no() -> None:
    (signal,) = signals_of(consent(tcf=ALL_TCF), {}, at=datetime(2026, 10, 30, tzinfo=UTC))
    assert signal.reason is Reason.FUTURE


@pytest.mark.parametrize("value", ["yes", 2, [], {"on": True}])
def test_a_report_of_privacy_control_that_cannot_be_read_refuses_but_is_nobody_s_word(value: Any) -> None:
    (signal,) = signals_of({"gpc": value}, {})
    assert signal.statements == {AD: NO, S: NO}
    assert not signal.is_privacy_control


SOURCES: list[dict[str, Any]] = [
    preferences(analytics=True, advertising=True, sale_or_share=True),
    preferences(analytics=False),
    {"tcString": ALL_TCF},
    {"tcString": NO_STORAGE},
    {"gpp": TC_IN_GPP},
    {"gpp": "garbage"},
    {"us_privacy": "1YYN"},
    {"consentManagement": {"allowedConsentIds": ["C0002", "marketing"]}},
    {"gpc": True},
    consent(consentMode={"analytics_storage": "granted", "personalization_storage": "denied"}),
    consent(oneTrust=",C0002,"),
]


@given(st.lists(st.sampled_from(SOURCES)))
def test_the_strictest_source_wins(contexts: list[dict[str, Any]]) -> None:
    merged: dict[str, Any] = {}
    for context in contexts:
        inner = {**merged.get("consent", {}), **context.get("consent", {})}
        merged = {**merged, **context, **({"consent": inner} if inner else {})}
    signals = signals_of(merged, {}, at=w.NOW)
    allowed = strictest(signal.statements for signal in signals)
    for signal in signals:
        assert not {purpose for purpose, state in signal.statements.items() if state is not YES} & allowed
    assert allowed <= {purpose for signal in signals for purpose in signal.statements}
