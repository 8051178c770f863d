from typing import Any

import pytest

from domain.key import Scope
from tests.fixtures.graphql import Api

_SHOW = """{ consentSettings {
    categories { name purposes } oneTrustGroups { name purposes } tcfPurposes { purpose ids }
    publisherPurposes { purpose ids } vendorId legitimateInterest gppSections longestDays
    unmapped(names: ["Marketing", "Telemetry", "C0002"])
} }"""
_SAVE = """mutation ($input: SaveConsentSettingsInput!) { saveConsentSettings(input: $input) {
    __typename
    ... on ConsentSettingsPayload { clientMutationId settings { vendorId longestDays unmapped(names: ["Telemetry"]) } }
    ... on Problem { code message path }
} }"""


async def save(api: Api, **input_: Any) -> Any:
    return (await api.data(_SAVE, input=input_))["saveConsentSettings"]


async def test_a_site_that_has_said_nothing_has_the_defaults(api: Api) -> None:
    shown = (await api.data(_SHOW))["consentSettings"]
    assert {"name": "marketing", "purposes": ["ADVERTISING"]} in shown["categories"]
    assert {"name": "c0003", "purposes": ["FUNCTIONAL"]} in shown["oneTrustGroups"]
    assert {"purpose": "ADVERTISING", "ids": [2, 3, 4, 7]} in shown["tcfPurposes"]
    assert (shown["vendorId"], shown["legitimateInterest"], shown["publisherPurposes"]) == (None, False, [])
    assert shown["gppSections"][:4] == ["tcfeuv2", "tcfcav1", "uspv1", "usnat"]
    assert shown["unmapped"] == ["Telemetry"]


async def test_what_is_left_out_stays_and_null_goes_back(api: Api) -> None:
    saved = await save(api, vendorId=755, clientMutationId="c-1")
    assert saved["clientMutationId"] == "c-1"
    saved = await save(api, categories=[{"name": "Telemetry", "purposes": ["ANALYTICS"]}], longestDays=180)
    assert saved["settings"] == {"vendorId": 755, "longestDays": 180, "unmapped": []}
    saved = await save(api, vendorId=None, categories=None, longestDays=None)
    assert saved["settings"] == {"vendorId": None, "longestDays": 396, "unmapped": ["Telemetry"]}
    await save(api, categories=[{"name": "Telemetry", "purposes": ["ANALYTICS"]}])
    assert (await save(api, categories=[]))["settings"]["unmapped"] == ["Telemetry"]


async def test_every_list_is_saved_and_shown(api: Api) -> None:
    await save(
        api,
        oneTrustGroups=[{"name": "C0005", "purposes": ["ADVERTISING"]}],
        tcfPurposes=[{"purpose": "ANALYTICS", "ids": [8, 9, 10]}, {"purpose": "ADVERTISING", "ids": []}],
        publisherPurposes=[{"purpose": "FUNCTIONAL", "ids": [1]}],
        gppSections=["usnat"],
        legitimateInterest=True,
    )
    shown = (await api.data(_SHOW))["consentSettings"]
    assert {"name": "c0005", "purposes": ["ADVERTISING"]} in shown["oneTrustGroups"]
    assert shown["tcfPurposes"] == [
        {"purpose": "ANALYTICS", "ids": [8, 9, 10]},
        {"purpose": "PERSONALIZATION", "ids": [5, 6]},
    ]
    assert shown["publisherPurposes"] == [{"purpose": "FUNCTIONAL", "ids": [1]}]
    assert (shown["gppSections"], shown["legitimateInterest"]) == (["usnat"], True)


@pytest.mark.parametrize(
    ("input_", "path", "message"),
    [
        ({"vendorId": 0}, "vendorId", "A vendor id is a number from 1 to 65535."),
        ({"gppSections": ["usxx"]}, "gppSections", "There is no GPP section usxx"),
        (
            {"categories": [{"name": "a", "purposes": ["NECESSARY"]}]},
            "categories",
            "What is necessary needs no consent",
        ),
        ({"categories": [{"name": "a", "purposes": []}] * 2}, "categories", "A name is given twice."),
        ({"tcfPurposes": [{"purpose": "ANALYTICS", "ids": [40]}]}, "tcfPurposes", "Purposes are numbers from 1 to 11."),
    ],
)
async def test_faulty_settings_change_nothing_and_say_why(
    api: Api, input_: dict[str, Any], path: str, message: str
) -> None:
    await save(api, vendorId=7)
    problem = await save(api, **input_)
    assert (problem["__typename"], problem["path"]) == ("InvalidInput", ["input", path])
    assert problem["message"].startswith(message)
    assert (await api.data(_SHOW))["consentSettings"]["vendorId"] == 7


async def test_both_need_the_scope(api: Api) -> None:
    limited = api.with_scopes(scope for scope in Scope if scope is not Scope.PRIVACY_ADMIN)
    assert await limited.code("{ consentSettings { vendorId } }") == "missing_scope"
    assert await limited.code(_SAVE, input={"vendorId": 7}) == "missing_scope"
