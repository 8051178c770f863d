import asyncio
from typing import Any
from uuid import UUID

import asyncpg

from tests.fixtures.graphql import Api
from tests.fixtures.seeds import DEFINITION, Seeds
from tests.patience import AT_ALL

_SAVE = """mutation ($input: SaveSegmentInput!) { saveSegment(input: $input) {
    __typename
    ... on SegmentPayload { clientMutationId segment { key name version status definition } }
    ... on Problem { code message path }
    ... on VersionConflict { currentVersion }
} }"""
_OTHER = {"type": "count", "event": "product_view", "op": ">=", "n": 3, "window": "24h"}


async def _save(api: Api, **input_: Any) -> Any:
    return (await api.data(_SAVE, input=input_))["saveSegment"]


async def test_a_segment_is_created_then_edited(api: Api, seeds: Seeds) -> None:
    saved = await _save(api, key="vip", definition=DEFINITION, clientMutationId="c-1")
    assert saved == {
        "__typename": "SegmentPayload",
        "clientMutationId": "c-1",
        "segment": {"key": "vip", "name": "vip", "version": 1, "status": "BUILDING", "definition": DEFINITION},
    }
    await seeds.set("segment", "status", "live")
    await seeds.set("segment", "built_through", seeds.workspace)
    saved = await _save(api, key="vip", name="Very important", expectedVersion=1)
    assert saved["segment"]["status"] == "LIVE"
    assert saved["segment"]["version"] == 1
    saved = await _save(api, key="vip", definition=_OTHER)
    assert (saved["segment"]["version"], saved["segment"]["status"]) == (2, "BUILDING")
    assert await seeds.value("earlier") == [{"definition": DEFINITION, "version": 1, "through": None}]
    assert await seeds.value("built_through") is None
    assert await seeds.value("name") == "Very important"


async def test_saving_the_same_again_builds_nothing(api: Api, seeds: Seeds) -> None:
    await _save(api, key="vip", definition=DEFINITION)
    await seeds.set("segment", "status", "live")
    saved = await _save(api, key="vip", definition=DEFINITION)
    assert (saved["segment"]["version"], saved["segment"]["status"]) == (1, "LIVE")


async def test_edits_during_a_build_leave_what_serves_people_meanwhile(api: Api, seeds: Seeds) -> None:
    await _save(api, key="vip", definition=DEFINITION)
    await seeds.set("segment", "status", "live")
    live = {"definition": DEFINITION, "version": 1, "through": None}
    for n in (4, 5):
        await _save(api, key="vip", definition={**_OTHER, "n": n})
        assert await seeds.value("earlier") == [live]
    reached = {"definition": {**_OTHER, "n": 5}, "version": 3, "through": str(seeds.workspace)}
    await seeds.set("segment", "built_through", seeds.workspace)
    await _save(api, key="vip", definition={**_OTHER, "n": 6})
    assert await seeds.value("earlier") == [reached, live]
    await seeds.set("segment", "built_through", UUID(int=2**128 - 1))
    await _save(api, key="vip", definition={**_OTHER, "n": 7})
    assert [each["version"] for each in await seeds.value("earlier")] == [4, 1]


async def test_a_segment_whose_build_failed_is_built_again_when_it_is_saved(api: Api, seeds: Seeds) -> None:
    await _save(api, key="vip", definition=DEFINITION)
    await seeds.set("segment", "status", "failed")
    saved = await _save(api, key="vip", definition=DEFINITION)
    assert (saved["segment"]["version"], saved["segment"]["status"]) == (2, "BUILDING")


async def test_of_two_editors_the_second_is_told(api: Api) -> None:
    await _save(api, key="vip", definition=DEFINITION)
    saved = await asyncio.gather(
        *(_save(api, key="vip", definition={**_OTHER, "n": n}, expectedVersion=1) for n in (2, 3))
    )
    [conflict] = [each for each in saved if each["__typename"] == "VersionConflict"]
    assert conflict["code"] == "conflict"
    assert conflict["currentVersion"] == 2
    assert conflict["path"] == ["input", "expectedVersion"]
    assert (await _save(api, key="none", definition=DEFINITION, expectedVersion=3))["__typename"] == "NotFound"
    assert (await _save(api, key="vip", definition=DEFINITION, expectedVersion=0))["__typename"] == "VersionConflict"


async def test_wrong_input_is_told_by_place(api: Api) -> None:
    for input_, code, path in (
        ({"key": "No Good", "definition": DEFINITION}, "invalid_request", "key"),
        ({"key": "vip", "name": "x" * 201, "definition": DEFINITION}, "invalid_request", "name"),
        ({"key": "vip"}, "invalid_definition", "definition"),
        ({"key": "vip", "definition": {**_OTHER, "window": "24x"}}, "invalid_definition", "definition"),
        ({"key": "vip", "definition": [1]}, "invalid_definition", "definition"),
    ):
        saved = await _save(api, **input_)
        assert (saved["__typename"], saved["code"], saved["path"]) == ("InvalidInput", code, ["input", path]), input_
    saved = await _save(api, key="vip", definition={"type": "and", "children": [DEFINITION, {**_OTHER, "window": "x"}]})
    assert "children[1].window" in saved["message"]


async def test_builders_are_woken_and_reload(api: Api, seeds: Seeds) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    def hear(_connection: asyncpg.Connection, _process: int, _channel: str, payload: str) -> None:
        heard.put_nowait(payload)

    await seeds.connection.add_listener("segment_definition", hear)
    before = await seeds.value("definitions_version", "workspace")
    await _save(api, key="vip", definition=DEFINITION)
    assert await asyncio.wait_for(heard.get(), AT_ALL) == str(seeds.workspace)
    assert await seeds.value("definitions_version", "workspace") > before
    await seeds.connection.remove_listener("segment_definition", hear)


async def test_a_deleted_segment_is_left_to_the_builders(api: Api, seeds: Seeds) -> None:
    await _save(api, key="vip", definition=DEFINITION)
    document = """mutation ($key: String!) { deleteSegment(input: {key: $key, clientMutationId: "c"}) {
        __typename ... on SegmentPayload { clientMutationId segment { status } } ... on NotFound { code path } } }"""
    deleted = (await api.data(document, key="vip"))["deleteSegment"]
    assert deleted == {"__typename": "SegmentPayload", "clientMutationId": "c", "segment": {"status": "DELETING"}}
    assert (await api.data(document, key="none"))["deleteSegment"]["code"] == "not_found"
    saved = await _save(api, key="vip", definition=_OTHER)
    assert (saved["__typename"], saved["code"]) == ("InvalidInput", "conflict")
    assert await seeds.value("status") == "deleting"
