"""Decoders against input that wants to be taken for consent, or to cost more than it weighs."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.consent import State, strictest
from privacy.signals import gpp, tcf
from privacy.signals.bits import LONGEST, Bits
from privacy.signals.refusal import Refusal
from privacy.signals.sources import NAMES, signals_of
from privacy.signals.usp import decode_privacy
from privacy.signals.vendors import Ranges
from tests.privacy.signals import writing as w
from tests.privacy.signals.vectors import GPP, STATES, TCF

IN_CONSENT = [
    *("categoryPreferences", "tcString", "gpp", "uspString", "googleConsentMode", "oneTrust", "gpc", "gppSid"),
]
WORDS = ["granted", "consent", "default", "update", "C0002"]
KEYS = ["0", "1", "2", "ad_storage", "analytics", "gpc", "allowedConsentIds"]
DECODERS: list[Callable[[object], object]] = [tcf.decode, gpp.decode, decode_privacy]
STRINGS = [each["string"] for each in (*TCF["valid"], *GPP["valid"], *STATES["states"], *STATES["canada"])]
BASE64 = st.text(w.ALPHABET, max_size=400)
TC_TEXTS = st.builds(lambda head, tail: head + tail, st.sampled_from(["C", "CQtDjkAQtDjkAAfAHBENFBFg", ""]), BASE64)
GPP_TEXTS = st.builds(
    lambda ids, texts: "~".join([w.gpp_header(*sorted(ids)), *texts]),
    st.sets(st.integers(1, 40), min_size=1, max_size=4),
    st.lists(st.text(w.ALPHABET + "~.", max_size=60), max_size=4),
)


def refused(decode: Callable[[object], object], text: object) -> bool:
    try:
        decode(text)
    except Refusal:
        return True
    return False


@pytest.mark.parametrize("decode", DECODERS)
@given(text=st.text() | BASE64 | TC_TEXTS | GPP_TEXTS | st.binary() | st.integers() | st.none() | st.lists(st.text()))
def test_nothing_but_a_refusal_is_ever_raised(decode: Callable[[object], object], text: object) -> None:
    refused(decode, text)


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("letter", ["A", "C", "_", "D", "~", "."])
def test_what_is_too_long_is_not_even_looked_at(decode: Callable[[object], object], letter: str) -> None:
    assert refused(decode, letter * 65_536)
    assert refused(decode, STRINGS[0] + letter * LONGEST)


@given(st.sampled_from(STRINGS), st.data())
def test_a_letter_that_was_changed_is_never_an_accident(whole: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(whole) - 1))
    letter = data.draw(st.sampled_from(w.ALPHABET + "~. \x00é"))
    text = whole[:place] + letter + whole[place + 1 :]
    for decode in (tcf.decode, gpp.decode):
        refused(decode, text)


@given(st.sampled_from(TCF["valid"]), st.data())
def test_a_purpose_whose_bit_was_cleared_is_no_longer_granted(vector: dict[str, Any], data: st.DataObject) -> None:
    text = vector["string"]
    consents = sorted(tcf.decode(text).consents)
    assume(consents)
    purpose = data.draw(st.sampled_from(consents))
    core, _, rest = text.partition(".")
    bits = "".join(f"{w.ALPHABET.index(letter):06b}" for letter in core)
    at = 152 + purpose - 1
    assert bits[at] == "1"
    flipped = w.pack(bits[:at] + "0" + bits[at + 1 :])
    assert tcf.decode(f"{flipped}.{rest}" if rest else flipped).consents == set(consents) - {purpose}


@given(st.sampled_from(TCF["valid"]), st.integers(1, 400))
def test_a_string_that_was_cut_never_grants_more(vector: dict[str, Any], cut: int) -> None:
    whole = vector["string"]

    def granted(text: str) -> frozenset[Any]:
        return strictest(signal.statements for signal in signals_of({"tcString": text}, {}, at=w.NOW))

    assert granted(whole[:-cut]) <= granted(whole)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    reads = [0]
    plain = Bits.number

    def number(self: Bits, width: int) -> int:
        reads[0] += 1
        return plain(self, width)

    monkeypatch.setattr(Bits, "number", number)
    return reads


FULL = (1, 65_535)


@pytest.mark.parametrize(
    "text",
    [
        w.tc_string(vendor_consents=w.ranges(*[FULL] * 300)),
        w.tc_string(restricted=w.restrictions(*[(2, 0, w.entries(FULL))] * 700)),
        w.tc_string(vendor_consents=w.ranges(*[(place, place) for place in range(1, 2_600, 2)])),
        w.tc_string(vendor_consents=w.ranges(*[(place, place) for place in range(2_600, 1, -2)])),
        w.tc_string(restricted=w.restrictions(*[(2, 0, w.entries())] * 2_000)),
        TCF["malformed"][8]["string"],
        f"{w.gpp_header(*range(41, 100))}" + "~x" * 59,
        w.pack(w.number(3, 6) + w.number(1, 6) + w.number(4_095, 12) + ("0" + w.fibonacci(1)) * 4_095),
    ],
    ids=range(8),
)
def test_work_is_bounded_by_the_length_of_the_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each read takes at least a bit of the text, so that a count it claims can cost no more than it carries."""
    reads = count_reads(monkeypatch)
    kept: list[Ranges] = []
    for decode in (tcf.decode, gpp.decode):
        try:
            string = decode(text)
        except Refusal:
            continue
        if isinstance(string, tcf.TCString):
            kept += [string.vendor_consents.stated, *(each.vendors for each in string.restrictions)]
    assert reads[0] <= 6 * min(len(text), LONGEST)
    assert sum(map(len, kept)) <= len(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(NAMES)), JSON), st.dictionaries(st.sampled_from(IN_CONSENT), JSON))
def test_any_json_in_the_place_of_a_signal_is_read_or_refused(outer: dict[str, Any], inner: dict[str, Any]) -> None:
    for context in (outer, {"consent": inner}):
        for signal in signals_of(context, {}, at=w.NOW):
            assert (signal.problem is None) == (signal.reason is None)
            assert signal.problem is None or State.GRANTED not in signal.statements.values()
