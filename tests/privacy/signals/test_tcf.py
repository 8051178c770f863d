from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from privacy.signals import tcf
from privacy.signals.refusal import Reason, Refusal
from privacy.signals.tcf import check_policy, decode, permits
from tests.privacy.signals import writing as w
from tests.privacy.signals.vectors import TCF, tcf_fields

LONGEST = timedelta(days=396)
FLAGS = {
    "older-than-13-months": Reason.EXPIRED,
    "global-scope-invalid-since-2021-09-01": Reason.GLOBAL_SCOPE,
    "policy-version-below-4-invalid-since-2023-09-30": Reason.OBSOLETE_POLICY,
    "last-updated-in-the-future": Reason.FUTURE,
    "no-disclosed-vendors-segment-though-dated-after-2026-02-28": Reason.UNDISCLOSED,
}


def reason_of(text: object) -> Reason:
    with pytest.raises(Refusal) as refused:
        decode(text)
    return refused.value.reason


@pytest.mark.parametrize("vector", TCF["valid"], ids=lambda vector: vector["name"])
def test_reference_strings_are_read_whole(vector: dict[str, Any]) -> None:
    expected = dict(vector["expected"])
    del expected["segments"]
    assert tcf_fields(decode(vector["string"])) == expected


@pytest.mark.parametrize("vector", TCF["valid"], ids=lambda vector: vector["name"])
def test_what_policy_rules_out_is_refused(vector: dict[str, Any]) -> None:
    reasons = {FLAGS[flag] for flag in vector["policy_flags"] if flag in FLAGS}
    string = decode(vector["string"])
    if not reasons:
        check_policy(string, w.NOW, LONGEST)
        return
    with pytest.raises(Refusal) as refused:
        check_policy(string, w.NOW, LONGEST)
    assert refused.value.reason in reasons


@pytest.mark.parametrize("vector", TCF["malformed"], ids=lambda vector: vector["name"])
def test_malformed_strings_are_refused(vector: dict[str, Any]) -> None:
    if vector["expect"] == "accept-ignore-segment":
        assert decode(vector["string"]).unknown_segments == (5,)
    else:
        assert reason_of(vector["string"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, Reason.NOT_TEXT),
        (b"CQtDjkAQtDjkAAfAHBENFBFg", Reason.NOT_TEXT),
        ("", Reason.EMPTY),
        (".", Reason.TRUNCATED),
        ("C" * 65_536, Reason.TOO_LONG),
        ("CQtDjkAQtDjkAAfAHBENFBFg=", Reason.ALPHABET),
        ("CQtDjkAQtDjkAAfAHBENFBFgÄ", Reason.ALPHABET),
        (w.pack(w.tc_core(version=1)), Reason.OBSOLETE_VERSION),
        (w.pack(w.tc_core(version=3)), Reason.UNKNOWN_VERSION),
        (w.pack(w.tc_core(language="E\\")), Reason.VALUE),
        (w.pack(w.tc_core() + "000000" + "000001"), Reason.TRAILING),
        (w.tc_string(more=[w.number(1, 3) + w.vendors(2)]), Reason.DUPLICATE_SEGMENT),
        (w.tc_string(more=[w.tc_core(consents=[1])]), Reason.DUPLICATE_SEGMENT),
        (w.tc_string(more=[w.publisher(), w.publisher()]), Reason.DUPLICATE_SEGMENT),
        (w.tc_string() + ".", Reason.TRUNCATED),
        (w.tc_string(more=[w.publisher(many=63)[:-30]]), Reason.TRUNCATED),
        (w.tc_string(vendor_consents=w.ranges((5, 4))), Reason.RANGE),
        (w.tc_string(vendor_consents=w.ranges((0, 0))), Reason.RANGE),
        (w.tc_string(vendor_consents=w.ranges((9, 11), most=10)), Reason.RANGE),
        (w.tc_string(vendor_consents=w.ranges((1, 9), (9, 12))), Reason.OVERLAP),
        (w.tc_string(vendor_consents=w.ranges((9, 12), (20, 21), (1, 9))), Reason.OVERLAP),
        (w.tc_string(vendor_consents=w.ranges((1, 65_535), count=4_095)), Reason.RANGE),
        (w.tc_string(restricted=w.restrictions((2, 0, w.entries((1, 9), (2, 3))))), Reason.OVERLAP),
        (w.tc_string(restricted=w.restrictions((0, 0, w.entries((1, 9))))), Reason.RESTRICTION),
        (w.tc_string(restricted=w.restrictions((25, 0, w.entries((1, 9))))), Reason.RESTRICTION),
        (w.tc_string(restricted=w.restrictions((2, 3, w.entries((1, 9))))), Reason.RESTRICTION),
        (w.tc_string(disclosed=w.ranges((7, 2))), Reason.RANGE),
    ],
)  # fmt: skip
def test_each_fault_has_its_reason(text: object, reason: Reason) -> None:
    assert reason_of(text) is reason


def test_every_cut_of_a_string_is_refused_or_says_less() -> None:
    whole = TCF["valid"][1]["string"]
    full = decode(whole)
    for length in range(len(whole)):
        try:
            part = decode(whole[:length])
        except Refusal:
            continue
        assert part.consents <= full.consents
        assert part.disclosed_vendors is None or whole[length:].strip("A") == ""


def test_any_zero_padding_is_taken() -> None:
    assert decode(w.pack(w.tc_core(consents=[1]) + "0" * 96)).consents == {1}


def test_runs_out_of_order_are_brought_into_order() -> None:
    string = decode(w.tc_string(vendor_consents=w.ranges((20, 21), (3, 3), (4, 9))))
    assert string.vendor_consents.ranges == ((3, 9), (20, 21))
    assert [vendor for vendor in range(30) if vendor in string.vendor_consents] == [*range(3, 10), 20, 21]


def test_a_full_range_is_never_expanded() -> None:
    vendors = decode(w.tc_string(vendor_consents=w.ranges((1, 65_535)))).vendor_consents
    assert vendors.stated == ((1, 65_535),)
    assert 65_535 in vendors
    assert 65_536 not in vendors


def test_legitimate_interests_that_policy_rules_out_read_as_no() -> None:
    assert decode(w.tc_string(interests=range(1, 12))).legitimate_interests == {2, 7, 8, 9, 10, 11}


@pytest.mark.parametrize(("day", "is_good"), [(datetime(2026, 2, 28, tzinfo=UTC), True),
                                              (datetime(2026, 3, 1, tzinfo=UTC), False)])  # fmt: skip
def test_disclosed_vendors_are_needed_since_march_2026(day: datetime, *, is_good: bool) -> None:
    string = decode(w.pack(w.tc_core(made=day)))
    if is_good:
        check_policy(string, w.NOW, LONGEST)
    else:
        with pytest.raises(Refusal):
            check_policy(string, w.NOW, LONGEST)


V = 7
ALL = range(1, 12)


@pytest.mark.parametrize(
    ("fields", "by_interest", "allowed"),
    [
        ({"vendor_consents": w.vendors(V), "disclosed": w.vendors(V)}, False, True),
        ({"vendor_consents": w.vendors(6, most=9), "disclosed": w.vendors(V)}, False, False),
        ({"vendor_consents": w.vendors(V), "disclosed": w.vendors(6, most=9)}, False, False),
        ({"vendor_consents": w.vendors(V), "disclosed": w.vendors(V),
          "restricted": w.restrictions((8, 0, w.entries((1, 9))))}, False, False),
        ({"vendor_consents": w.vendors(V), "disclosed": w.vendors(V),
          "restricted": w.restrictions((8, 0, w.entries((1, 6))))}, False, True),
        ({"vendor_consents": w.vendors(V), "disclosed": w.vendors(V),
          "restricted": w.restrictions((9, 0, w.entries((1, 9))))}, False, True),
        ({"vendor_consents": w.vendors(V), "disclosed": w.vendors(V),
          "restricted": w.restrictions((8, 1, w.entries((V, V))))}, False, True),
        ({"vendor_consents": w.vendors(V), "disclosed": w.vendors(V),
          "restricted": w.restrictions((8, 2, w.entries((V, V))))}, False, False),
        ({"vendor_consents": w.vendors(V), "disclosed": w.vendors(V), "interests": ALL,
          "vendor_interests": w.vendors(V), "restricted": w.restrictions((8, 2, w.entries((V, V))))}, True, True),
        ({"consents": [1], "interests": ALL, "vendor_interests": w.vendors(V), "disclosed": w.vendors(V)}, True, True),
        ({"consents": [1], "interests": ALL, "vendor_interests": w.vendors(V), "disclosed": w.vendors(V)}, False,
         False),
        ({"consents": [1], "interests": ALL, "vendor_interests": w.vendors(V), "disclosed": w.vendors(V),
          "restricted": w.restrictions((8, 1, w.entries((V, V))))}, True, False),
        ({"consents": [1], "interests": ALL, "disclosed": w.vendors(V)}, True, False),
    ],
)  # fmt: skip
def test_a_vendor_needs_its_own_yes(fields: dict[str, Any], *, by_interest: bool, allowed: bool) -> None:
    string = decode(w.tc_string(**{"consents": ALL, **fields}))
    assert permits(string, 8, vendor=V, by_interest=by_interest) is allowed


def test_without_a_vendor_the_purposes_alone_count() -> None:
    string = decode(w.tc_string(consents=[8], interests=[9]))
    assert [purpose for purpose in tcf.PURPOSES if permits(string, purpose, vendor=None, by_interest=False)] == [8]
    assert [purpose for purpose in tcf.PURPOSES if permits(string, purpose, vendor=None, by_interest=True)] == [8, 9]
