from typing import Any

from domain.key import Scope
from domain.segment import ChangeKind
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import DEFINITION, Seeds, later

_SAVE = """mutation ($input: SaveSegmentInput!) { saveSegment(input: $input) {
    __typename ... on SegmentPayload { segment { key text definition status progress lastChangeAt } }
    ... on Problem { code message path } } }"""
_DELETE = """mutation ($key: String!) { deleteSegment(input: {key: $key}) {
    __typename ... on SegmentPayload { segment { status } } ... on Problem { code message } } }"""
_EXPLAIN = """query ($key: String!) { explainSegment(key: $key, by: {externalId: "u-1"}) {
    segment { key } member enteredAt cause holds changesAt
    reasons { place text holds decisive actual changesAt events } } }"""


async def _save(api: Api, **input_: Any) -> Any:
    return (await api.data(_SAVE, input=input_))["saveSegment"]


async def test_a_segment_is_saved_in_words(api: Api) -> None:
    saved = await _save(api, key="vip", definition='trait plan == "pro"')
    assert saved["segment"]["definition"] == DEFINITION
    assert saved["segment"]["text"] == 'trait plan == "pro"'
    assert saved["segment"]["progress"] == 0
    wrong = await _save(api, key="vip", definition="trait plan = 1")
    assert (wrong["__typename"], wrong["code"], wrong["path"]) == (
        "InvalidInput",
        "invalid_definition",
        ["input", "definition"],
    )
    assert "column 12" in wrong["message"]


async def test_segments_may_speak_of_each_other_but_not_in_a_circle(api: Api) -> None:
    await _save(api, key="a", definition=DEFINITION)
    await _save(api, key="b", definition="segment a")
    assert (await _save(api, key="c", definition="segment b or segment a"))["__typename"] == "SegmentPayload"
    for definition, problem in (
        ("segment nobody", "key: there is no segment with this key"),
        ("trait x == 1 and segment c", "children[1].key: a segment may not depend on itself"),
        ("segment a", "key: a segment may not depend on itself"),
    ):
        saved = await _save(api, key="a", definition=definition)
        assert saved["__typename"] == "InvalidInput", saved
        assert problem in saved["message"]
    refused = (await api.data(_DELETE, key="a"))["deleteSegment"]
    assert (refused["__typename"], refused["code"]) == ("InvalidInput", "conflict")
    assert (await api.data(_DELETE, key="c"))["deleteSegment"]["segment"]["status"] == "DELETING"


async def test_progress_and_the_last_change_are_told(api: Api, seeds: Seeds) -> None:
    profiles = sorted([await seeds.profile() for _ in range(4)])
    await seeds.segment("vip")
    await seeds.happen(profiles[0], "vip")
    await seeds.set("segment", "status", "building")
    await seeds.set("segment", "built_through", profiles[2])
    found = (await api.data('{ segment(key: "vip") { progress lastChangeAt } }'))["segment"]
    assert found == {"progress": 0.75, "lastChangeAt": later(0).isoformat()}
    # When the one person in it came would tell that somebody did.
    found = await api.with_scopes({Scope.SEGMENTS_READ}).data('{ segment(key: "vip") { lastChangeAt } }')
    assert found["segment"]["lastChangeAt"] is None


async def test_membership_is_explained_and_its_history_told(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1", traits={"plan": "pro"})
    await seeds.segment("vip")
    await seeds.set("segment", "definition", DEFINITION)
    for kind in (ChangeKind.ENTERED, ChangeKind.EXITED, ChangeKind.ENTERED):
        await seeds.happen(profile, "vip", kind=kind)
    found = (await api.data(_EXPLAIN, key="vip"))["explainSegment"]
    assert (found["member"], found["holds"], found["changesAt"]) == (True, True, None)
    assert found["enteredAt"]
    [reason] = found["reasons"]
    assert (reason["text"], reason["holds"], reason["decisive"], reason["events"]) == (
        'trait plan == "pro"',
        True,
        True,
        [],
    )
    lesser = api.with_scopes({Scope.SEGMENTS_READ, Scope.PROFILES_READ})
    assert (await lesser.data(_EXPLAIN, key="vip"))["explainSegment"]["reasons"][0]["events"] is None
    assert (await api.data(_EXPLAIN, key="nothing"))["explainSegment"] is None

    history = """query ($first: Int!, $after: String) { segmentHistory(
        by: {externalId: "u-1"}, key: "vip", first: $first,
        after: $after) { nodes { segmentKey kind cause } pageInfo { endCursor hasNextPage } } }"""
    page = (await api.data(history, first=2))["segmentHistory"]
    assert [each["kind"] for each in page["nodes"]] == ["ENTERED", "EXITED"]
    rest = (await api.data(history, first=2, after=page["pageInfo"]["endCursor"]))["segmentHistory"]
    assert [each["kind"] for each in rest["nodes"]] == ["ENTERED"]
    assert not rest["pageInfo"]["hasNextPage"]


async def test_a_preview_is_told_as_sizes_are(api: Api, seeds: Seeds) -> None:
    for number in range(35):
        await seeds.profile(traits={"plan": "pro" if number else "free"})
    document = "query ($d: JSON!) { previewSegment(definition: $d) { size margin examined population } }"
    found = (await api.data(document, d='trait plan == "pro"'))["previewSegment"]
    assert found == {"size": 34, "margin": 0, "examined": 35, "population": 35}
    lesser = api.with_scopes({Scope.SEGMENTS_READ})
    rounded = (await lesser.data(document, d=DEFINITION))["previewSegment"]
    assert {rounded["size"], rounded["population"], rounded["examined"]} <= {30, 40}
    definition = await api.data("query ($d: JSON!) { segmentDefinition(definition: $d) { text } }", d=DEFINITION)
    again = await lesser.data(document, d=definition["segmentDefinition"]["text"])
    assert again["previewSegment"] == rounded
    hidden = (await lesser.data(document, d='trait plan == "free"'))["previewSegment"]
    assert (hidden["size"], hidden["margin"]) == (None, None)
    assert await api.code(document, d="segment nobody") == "invalid_definition"
    assert await api.code(document, d="trait") == "invalid_definition"


async def test_a_dry_run_is_answered(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1")
    await seeds.event(profile, later(-60))
    document = """query ($d: JSON!, $since: DateTime!, $until: DateTime) { rehearseSegment(
        definition: $d, since: $since, until: $until) { days { day entered exited } members examined population } }"""
    since, until = later(-3600).isoformat(), later(3600).isoformat()
    found = await api.data(document, d="count(product_view) in 7d >= 1", since=since, until=until)
    assert found["rehearseSegment"] == {
        "days": [{"day": later(0).date().isoformat(), "entered": 1, "exited": 0}],
        "members": 1,
        "examined": 1,
        "population": 1,
    }
    assert await api.code(document, d="trait a exists", since=until, until=since) == "invalid_request"


async def test_templates_and_both_forms_of_a_definition(api: Api) -> None:
    found = await api.data("{ segmentTemplates { key text definition } segmentSchema }")
    assert {"cart-abandoner", "highly-engaged", "high-value"} <= {each["key"] for each in found["segmentTemplates"]}
    assert found["segmentSchema"]["title"] == "Segment definition"
    for each in found["segmentTemplates"]:
        saved = await _save(api, key=each["key"], definition=each["definition"])
        assert saved["segment"]["text"] == each["text"]
    document = "query ($d: JSON!) { segmentDefinition(definition: $d) { definition text } }"
    both = (await api.data(document, d=DEFINITION))["segmentDefinition"]
    assert (await api.data(document, d=both["text"]))["segmentDefinition"] == both
