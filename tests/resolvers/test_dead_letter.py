from typing import Any
from uuid import UUID

import msgspec

from domain.clock import utc_now
from domain.event import CallType, ProtectedEvent, encode_event
from domain.key import Scope
from resolvers.node import to_global
from tests.fixtures.gateway import Gateway, make_tenant
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import Seeds

LIST = "{ deadLetters(first: 1) { totalCount pageInfo { endCursor hasNextPage } nodes { id reason content fixedAt } } }"
FIX = """
mutation ($input: FixDeadLetterInput!) { fixDeadLetter(input: $input) {
  ... on FixDeadLetterPayload { deadLetter { fixedAt content } } ... on InvalidInput { message }
  ... on NotFound { code }
} }
"""
REPLAY = """
mutation ($input: ReplayDeadLettersInput!) { replayDeadLetters(input: $input) {
  ... on ReplayDeadLettersPayload { replayedIds } ... on InvalidInput { message }
} }
"""


async def bury(seeds: Seeds, workspace: UUID, offset: int, **fields: Any) -> None:
    event = ProtectedEvent(
        workspace=workspace,
        message_id=f"m{offset}",
        subject=workspace,
        type=CallType.TRACK,
        name="product_view",
        at=utc_now(),
        received_at=utc_now(),
        aliases=(),
        purposes=(),
        properties={"note": "secret words"},
    )
    value = msgspec.json.encode({**msgspec.json.decode(encode_event(event)), **fields})
    await seeds.connection.execute(
        """
        INSERT INTO dead_letter (workspace_id, topic, partition, "offset", reason, value, at)
        VALUES ($1, 'tagway.events', $4, $2, 'broken', $3, now())
        """,
        workspace,
        offset,
        value,
        workspace.int % 2**30,
    )


async def test_dead_letters_are_listed_corrected_and_replayed(api: Api, seeds: Seeds, gateway: Gateway) -> None:
    await bury(seeds, seeds.workspace, 1)
    await bury(seeds, seeds.workspace, 2, type="dance")
    stranger = await make_tenant(gateway.database_url)
    await bury(seeds, stranger.workspace, 3)

    page = (await api.data(LIST))["deadLetters"]
    assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (2, True)
    (newest,) = page["nodes"]
    assert newest["content"]["type"] == "dance"
    assert "secret" not in str(page)

    assert (await api.data(REPLAY, input={"ids": [newest["id"]]}))["replayDeadLetters"] == {"replayedIds": []}
    wrong = {"id": newest["id"], "set": [{"path": "subject", "value": "x"}]}
    assert "may not be changed" in (await api.data(FIX, input=wrong))["fixDeadLetter"]["message"]
    right = {"id": newest["id"], "set": [{"path": "type", "value": "track"}], "remove": ["properties.note"]}
    fixed = (await api.data(FIX, input=right))["fixDeadLetter"]["deadLetter"]
    assert fixed["fixedAt"] is not None
    assert fixed["content"]["properties"] == {}

    assert (await api.data(REPLAY, input={"ids": [newest["id"]]}))["replayDeadLetters"] == {
        "replayedIds": [newest["id"]]
    }
    assert (await api.data(LIST))["deadLetters"]["totalCount"] == 1
    assert [each.message_id for each in await gateway.logged()] == ["m2"]


async def test_another_workspaces_letters_are_out_of_reach(api: Api, seeds: Seeds, gateway: Gateway) -> None:
    stranger = await make_tenant(gateway.database_url)
    await bury(seeds, stranger.workspace, 9)
    number = await seeds.connection.fetchval("SELECT id FROM dead_letter WHERE workspace_id = $1", stranger.workspace)
    id_ = to_global("DeadLetter", str(number))
    assert (await api.data(FIX, input={"id": id_, "remove": ["properties.note"]}))["fixDeadLetter"] == {
        "code": "not_found"
    }
    assert (await api.data(REPLAY, input={"ids": [id_]}))["replayDeadLetters"] == {"replayedIds": []}
    assert "not the id" in (await api.data(REPLAY, input={"ids": ["eHg6MQ"]}))["replayDeadLetters"]["message"]


async def test_each_part_needs_its_scope(api: Api) -> None:
    reader = api.with_scopes([Scope.EVENTS_READ])
    assert (await reader.data(LIST))["deadLetters"]["totalCount"] == 0
    assert await reader.code(FIX, input={"id": "x"}) == "missing_scope"
    assert await reader.code(REPLAY, input={"ids": []}) == "missing_scope"
    assert await api.with_scopes([Scope.PRIVACY_ADMIN]).code(LIST) == "missing_scope"
    assert await api.as_end_user("a-1").code(LIST) == "wrong_kind_of_key"
