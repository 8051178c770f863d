from hypothesis import given
from hypothesis import strategies as st

from domain.consent import CONSENTABLE, Purpose, State, Statements
from privacy.compiled import CompiledPlan
from privacy.gate import gate
from privacy.signals.sources import signals_of
from tests.privacy.conftest import MakeCall

SOURCES = st.lists(st.dictionaries(st.sampled_from(CONSENTABLE), st.sampled_from(State)), max_size=4)


def test_without_any_statement_everything_is_dropped(plan: CompiledPlan, make_call: MakeCall) -> None:
    assert gate(make_call(), plan, []).dropped
    assert gate(make_call(), plan, [{}]).dropped


def test_only_purposes_of_the_event_are_granted(plan: CompiledPlan, make_call: MakeCall) -> None:
    everything: Statements = dict.fromkeys(CONSENTABLE, State.GRANTED)
    verdict = gate(make_call("scroll_depth"), plan, [everything])
    assert verdict.purposes == {Purpose.ANALYTICS}


def test_event_is_dropped_when_only_other_purposes_are_granted(plan: CompiledPlan, make_call: MakeCall) -> None:
    assert gate(make_call("scroll_depth"), plan, [{Purpose.ADVERTISING: State.GRANTED}]).dropped


def test_stored_withdrawal_beats_the_claim(plan: CompiledPlan, make_call: MakeCall) -> None:
    claim = {Purpose.ANALYTICS: State.GRANTED}
    stored = {Purpose.ANALYTICS: State.WITHDRAWN}
    assert gate(make_call(), plan, [claim, stored]).dropped
    assert not gate(make_call(), plan, [claim]).dropped


def test_gpc_beats_claim_and_stored_consent(plan: CompiledPlan, make_call: MakeCall) -> None:
    everything: Statements = dict.fromkeys(CONSENTABLE, State.GRANTED)
    gpc = [signal.statements for signal in signals_of({}, {"sec-gpc": "1"})]
    verdict = gate(make_call(), plan, [everything, everything, *gpc])
    assert verdict.purposes == {Purpose.ANALYTICS, Purpose.PERSONALIZATION}


@given(sources=SOURCES)
def test_granted_is_what_one_grants_and_none_refuses(
    plan: CompiledPlan, make_call: MakeCall, sources: list[Statements]
) -> None:
    verdict = gate(make_call(), plan, sources)
    for purpose in verdict.purposes:
        said = {statements[purpose] for statements in sources if purpose in statements}
        assert said == {State.GRANTED}
