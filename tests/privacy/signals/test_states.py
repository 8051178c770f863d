from typing import Any

import pytest

from domain.consent import Purpose
from privacy.signals.states import StateSection, Value, refused

AD, SALE = Purpose.ADVERTISING, Purpose.SALE_OR_SHARE
STAYED: dict[str, Value] = {
    "Version": 2,
    "SharingNotice": 1,
    "SaleOptOutNotice": 1,
    "SharingOptOutNotice": 1,
    "TargetedAdvertisingOptOutNotice": 1,
    "SensitiveDataProcessingOptOutNotice": 0,
    "SensitiveDataLimitUseNotice": 0,
    "SaleOptOut": 2,
    "SharingOptOut": 2,
    "TargetedAdvertisingOptOut": 2,
    "SensitiveDataProcessing": (0,) * 16,
    "KnownChildSensitiveDataConsents": (0, 0, 0),
    "PersonalDataConsents": 0,
    "MspaCoveredTransaction": 2,
    "MspaOptOutOptionMode": 0,
    "MspaServiceProviderMode": 0,
}


def test_who_was_told_and_stayed_refuses_nothing() -> None:
    assert refused(StateSection("usnat", STAYED)) == frozenset()


@pytest.mark.parametrize(
    ("change", "purposes"),
    [
        ({"SaleOptOut": 1}, {SALE}),
        ({"SharingOptOut": 1}, {SALE}),
        ({"TargetedAdvertisingOptOut": 1}, {AD, SALE}),
        ({"SaleOptOutNotice": 2}, {SALE}),
        ({"SaleOptOutNotice": 0}, {SALE}),
        ({"SaleOptOutNotice": 0, "SaleOptOut": 0}, set()),
        ({"SharingOptOutNotice": 2}, {SALE}),
        ({"TargetedAdvertisingOptOutNotice": 2}, {AD, SALE}),
        ({"TargetedAdvertisingOptOutNotice": 0}, {AD, SALE}),
        ({"SharingNotice": 2}, {AD, SALE}),
        ({"SharingNotice": 0}, {SALE}),
        ({"SensitiveDataProcessingOptOutNotice": 2}, {SALE}),
        ({"SensitiveDataLimitUseNotice": 2}, {SALE}),
        ({"KnownChildSensitiveDataConsents": (1, 0, 0)}, {AD, SALE}),
        ({"KnownChildSensitiveDataConsents": (0, 2, 0)}, {AD, SALE}),
        ({"KnownChildSensitiveDataConsents": (0, 0, 1)}, {AD, SALE}),
        ({"PersonalDataConsents": 2}, {AD, SALE}),
        ({"MspaCoveredTransaction": 0}, {AD, SALE}),
        ({"MspaServiceProviderMode": 1}, {AD, SALE}),
        ({"MspaServiceProviderMode": 2}, set()),
    ],
)
def test_each_rule_refuses(change: dict[str, Any], purposes: set[Purpose]) -> None:
    assert refused(StateSection("usnat", {**STAYED, **change})) == purposes


def test_privacy_control_refuses_whatever_the_fields_say() -> None:
    assert refused(StateSection("usnat", STAYED, gpc=True)) == {AD, SALE}
    assert refused(StateSection("usnat", STAYED, gpc=False)) == frozenset()


def test_in_california_sharing_is_what_targeted_advertising_is_elsewhere() -> None:
    fields: dict[str, Value] = {"SaleOptOutNotice": 1, "SharingOptOutNotice": 1, "SaleOptOut": 2, "SharingOptOut": 1}
    assert refused(StateSection("usca", fields)) == {AD, SALE}


@pytest.mark.parametrize(
    ("change", "purposes"),
    [({}, set()), ({"MspaMode": 2}, {AD, SALE}), ({"ProcessingNotice": 2}, {AD, SALE}),
     ({"KnownChildSensitiveDataConsents": 1}, {AD, SALE}), ({"SaleOptOut": 1}, {SALE})],
)  # fmt: skip
def test_states_since_maryland(change: dict[str, Any], purposes: set[Purpose]) -> None:
    fields: dict[str, Value] = {
        "MspaVersion": 1, "MspaCoveredTransaction": 1, "MspaMode": 1, "ProcessingNotice": 1, "SaleOptOutNotice": 1,
        "TargetedAdvertisingOptOutNotice": 1, "SaleOptOut": 2, "TargetedAdvertisingOptOut": 2,
        "KnownChildSensitiveDataConsents": 0, "AdditionalDataProcessingConsent": 0,
    }  # fmt: skip
    assert refused(StateSection("usky", {**fields, **change})) == purposes
