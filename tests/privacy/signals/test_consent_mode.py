from typing import Any

import pytest

from domain.consent import Purpose, State
from privacy.signals.consent_mode import read_consent_mode
from privacy.signals.refusal import Refusal

F, A, P, AD = Purpose.FUNCTIONAL, Purpose.ANALYTICS, Purpose.PERSONALIZATION, Purpose.ADVERTISING
YES, NO = State.GRANTED, State.DENIED
ADS = ("ad_storage", "ad_user_data", "ad_personalization")


def default(**told: Any) -> list[Any]:
    return ["consent", "default", told]


def update(**told: Any) -> dict[str, Any]:
    """Write a command as JSON writes JavaScript's Arguments object."""
    return {"0": "consent", "1": "update", "2": told}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"analytics_storage": "granted"}, {A: YES}),
        ({"analytics_storage": "denied", "functionality_storage": "granted"}, {A: NO, F: YES}),
        (dict.fromkeys(ADS, "granted"), {AD: YES}),
        (dict.fromkeys(ADS[:2], "granted"), {AD: NO}),
        ({**dict.fromkeys(ADS, "granted"), "ad_user_data": "denied"}, {AD: NO}),
        ({"security_storage": "granted"}, {}),
        (default(analytics_storage="denied", wait_for_update=500), {A: NO}),
        (update(analytics_storage="granted"), {A: YES}),
        ([default(analytics_storage="denied"), update(analytics_storage="granted")], {A: YES}),
        ([update(analytics_storage="denied"), default(analytics_storage="granted")], {A: NO}),
        ([default(analytics_storage="denied", region=["DE"]), default(analytics_storage="granted")], {A: NO}),
        ([default(analytics_storage="granted", region=["US"])], {}),
        ([["js", "2026-11-21"], ["config", "G-1"], {"event": "gtm.js"}, update(personalization_storage="granted")],
         {P: YES}),
    ],
)  # fmt: skip
def test_state_and_commands(value: Any, said: dict[Purpose, State]) -> None:
    assert read_consent_mode(value) == said


@pytest.mark.parametrize(
    "value",
    [None, "granted", True, 1, {}, [], [[]], {"analytics_storage": "yes"}, {"analytics_storage": True},
     {"analytics_storage": ["granted"]}, {"unknown": "granted"}, ["consent"], ["consent", "default"],
     ["consent", "reset", {"analytics_storage": "granted"}], ["consent", ["default"], {"analytics_storage": "granted"}],
     ["consent", "default", []], [update(analytics_storage="granted")] * 101, [["config", "G-1"]]],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(value: Any) -> None:
    with pytest.raises(Refusal):
        read_consent_mode(value)
