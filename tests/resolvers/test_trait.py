from typing import Any

from domain.key import Scope
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import Seeds

DECLARE = """mutation ($input: DeclareTraitInput!) { declareTrait(input: $input) {
    __typename ... on DeclareTraitPayload { trait { name version status progress definition } }
    ... on Problem { code message path } ... on VersionConflict { currentVersion } } }"""
LIST = "{ traitDeclarations { name version status definition progress } }"
SPENT = {"kind": "amount", "event": "purchase", "property": "value", "fold": "sum"}


async def declare(api: Api, **given: Any) -> Any:
    return (await api.data(DECLARE, input=given))["declareTrait"]


async def test_a_trait_is_declared_listed_edited_and_taken_away(api: Api, seeds: Seeds) -> None:
    await seeds.profile(user_id="ann")
    before = await seeds.value("definitions_version", "workspace")
    first = {"name": "spent", "version": 1, "status": "BUILDING", "progress": 0.0, "definition": SPENT}
    assert (await declare(api, name="spent", definition=SPENT))["trait"] == first
    assert (await declare(api, name="spent", definition=SPENT))["trait"] == first
    assert await seeds.value("definitions_version", "workspace") == before + 1
    assert (await api.data(LIST))["traitDeclarations"] == [first]
    conflict = await declare(api, name="spent", definition=SPENT, expectedVersion=0)
    assert (conflict["__typename"], conflict["currentVersion"]) == ("VersionConflict", 1)
    await seeds.set("trait_definition", "status", "live")
    assert (await declare(api, name="spent", definition=None, expectedVersion=1))["trait"]["version"] == 2
    assert [each["version"] for each in (await api.data(LIST))["traitDeclarations"]] == [1, 2]
    await seeds.set("trait_definition", "status", "live")
    assert (await api.data(LIST))["traitDeclarations"] == []


async def test_what_is_wrong_is_said(api: Api) -> None:
    assert (await declare(api, name="a b", definition=SPENT))["path"] == ["input", "name"]
    wrong = await declare(api, name="spent", definition={**SPENT, "fold": "mean"})
    assert (wrong["code"], wrong["path"]) == ("invalid_definition", ["input", "definition"])
    assert "$.fold" in wrong["message"]
    assert (await declare(api, name="spent", definition=None))["__typename"] == "NotFound"
    reader = api.with_scopes([Scope.SEGMENTS_READ])
    assert await reader.data(LIST) == {"traitDeclarations": []}
    assert await reader.code(DECLARE, input={"name": "spent", "definition": SPENT}) == "missing_scope"


async def test_a_profile_tells_where_its_traits_come_from(api: Api, seeds: Seeds) -> None:
    await seeds.profile(user_id="ann", traits={"age": 40, "location": "Rome"})
    document = """{ profile(by: {externalId: "ann"}) {
        traitStatements(names: ["age"]) { name value at messageId version source } } }"""
    assert (await api.data(document))["profile"]["traitStatements"] == [
        {"name": "age", "value": 40, "at": "1970-01-01T00:00:00.000001+00:00", "messageId": None, "version": None,
         "source": None}
    ]  # fmt: skip
