import asyncio
import os
import signal
from typing import Any

from domain.key import Scope
from resolvers.node import to_global
from stores.embedded.valkey import EmbeddedValkey
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import Seeds

CLAIMS = """query ($profile: ID, $decisions: [IdentityDecision!]) {
    identityClaims(profileId: $profile, decisions: $decisions) {
        id decision reason actor profileId otherProfileId undone messageId } }"""
MERGE = """mutation ($input: MergeProfilesInput!) { mergeProfiles(input: $input) {
    __typename ... on IdentityPayload { profile { id counters } } ... on Problem { code message path } } }"""
UNMERGE = """mutation ($input: UnmergeProfilesInput!) { unmergeProfiles(input: $input) {
    __typename ... on IdentityPayload { clientMutationId profile { id } other { id } }
    ... on Problem { code message path } } }"""
RULES = "{ identityRules { priority limits { kind most } subjects externalIds blocked matching review merge } }"
SAVE = """mutation ($input: SaveIdentityRulesInput!) { saveIdentityRules(input: $input) {
    __typename ... on IdentityRulesPayload { rules { externalIds blocked priority } }
    ... on Problem { code message path } } }"""
WHY = "they are one person"


async def two(seeds: Seeds) -> tuple[str, str]:
    one, other = [await seeds.profile(user_id=name) for name in ("ann", "bob")]
    return to_global("Profile", one), to_global("Profile", other)


async def test_a_merge_is_told_though_redis_says_nothing(api: Api, seeds: Seeds, valkey_server: EmbeddedValkey) -> None:
    one, other = await two(seeds)
    os.kill(valkey_server.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(15):
            merged = await api.data(MERGE, input={"profileId": one, "otherProfileId": other, "reason": WHY})
    finally:
        os.kill(valkey_server.pid, signal.SIGCONT)
    assert merged["mergeProfiles"]["profile"]["counters"] == {"product_view": 4}


async def test_a_merge_by_request_is_written_down_and_can_be_taken_back(api: Api, seeds: Seeds) -> None:
    one, other = await two(seeds)
    merged = await api.data(MERGE, input={"profileId": one, "otherProfileId": other, "into": other, "reason": WHY})
    assert merged["mergeProfiles"]["profile"] == {"id": other, "counters": {"product_view": 4}}
    (claim,) = (await api.data(CLAIMS, profile=one))["identityClaims"]
    assert (claim["decision"], claim["reason"], claim["profileId"], claim["otherProfileId"]) == (
        "MERGED",
        WHY,
        other,
        one,
    )
    assert claim["actor"].startswith("key:")
    assert (await api.data("query ($id: ID!) { node(id: $id) { id } }", id=one))["node"]["id"] == other
    again = await api.data(MERGE, input={"profileId": one, "otherProfileId": other, "reason": WHY})
    assert again["mergeProfiles"]["code"] == "conflict"

    parted = await api.data(UNMERGE, input={"claimId": claim["id"], "reason": WHY, "clientMutationId": "c"})
    assert parted["unmergeProfiles"] == {
        "__typename": "IdentityPayload", "clientMutationId": "c", "profile": {"id": other}, "other": {"id": one}
    }  # fmt: skip
    claims = (await api.data(CLAIMS, decisions=["PARTED", "MERGED"]))["identityClaims"]
    assert [(each["decision"], each["undone"]) for each in claims] == [("PARTED", False), ("MERGED", True)]
    for asked in ({"claimId": claim["id"]}, {"profileId": one}, {}):
        refused = await api.data(UNMERGE, input={**asked, "reason": WHY})
        assert refused["unmergeProfiles"]["__typename"] in ("InvalidInput", "NotFound")


async def test_who_may_merge(api: Api, seeds: Seeds) -> None:
    one, other = await two(seeds)
    reader = api.with_scopes([Scope.PROFILES_READ])
    assert await reader.data(CLAIMS) == {"identityClaims": []}
    asked: dict[str, Any] = {"profileId": one, "otherProfileId": other, "reason": WHY}
    assert await reader.code(MERGE, input=asked) == "missing_scope"
    assert await reader.code(SAVE, input={}) == "missing_scope"
    assert await api.as_end_user("a").code(CLAIMS) == "wrong_kind_of_key"


async def test_rules_are_shown_checked_and_changed(api: Api, seeds: Seeds) -> None:
    rules = (await api.data(RULES))["identityRules"]
    assert rules["priority"] == [
        "USER_ID", "LOYALTY_ID", "EMAIL", "PHONE", "EXTERNAL_ID", "ANONYMOUS_ID", "DEVICE_ID"
    ]  # fmt: skip
    assert {"kind": "USER_ID", "most": 1} in rules["limits"]
    blocked = [{"kind": "USER_ID", "value": "till-1"}, {"kind": "EXTERNAL_ID", "type": "crm", "value": "0815"}]
    given = {
        "externalIds": ["crm"],
        "block": blocked,
        "priority": ["LOYALTY_ID"],
        "limits": [{"kind": "EMAIL", "most": 2}],
    }
    saved = (await api.data(SAVE, input=given))["saveIdentityRules"]["rules"]
    assert (saved["externalIds"], saved["blocked"], saved["priority"][0]) == (["crm"], 2, "LOYALTY_ID")
    assert b"till-1" not in str(await seeds.value("settings", "workspace")).encode()
    before = await seeds.value("definitions_version", "workspace")
    for wrong in (
        {"externalIds": ["Not a name"]},
        {"limits": [{"kind": "EMAIL", "most": -1}]},
        {"merge": 2.0},
        {"block": [{"kind": "EMAIL", "value": "no address"}]},
    ):
        answer = (await api.data(SAVE, input=wrong))["saveIdentityRules"]
        assert answer["__typename"] == "InvalidInput", wrong
    assert await seeds.value("definitions_version", "workspace") == before
    assert (await api.data(RULES))["identityRules"]["externalIds"] == ["crm"]
