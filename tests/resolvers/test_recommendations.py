"""Recommendations over GraphQL, on a trained model."""

import asyncio
import time
from typing import Any
from uuid import UUID

import pytest

from domain.consent import State
from domain.key import Scope
from learning.lists import Ask, Question, Strategy
from resolvers.node import to_global
from stores.redis import open_redis
from tests.fixtures.graphql import Api, eventually
from tests.fixtures.shopping import Shopping
from tests.patience import AT_ALL, soonest

LIST = """query ($id: ID!, $filter: RecommendationFilter, $strategy: PersonalStrategy! = FOR_YOU,
    $first: Int! = 5) {
  profile(by: {id: $id}) { recommendations(first: $first, filter: $filter, strategy: $strategy) {
    listId strategy personalized modelVersion
    nodes { position item { productId name } reason { kind text item { productId } } propensity } } } }"""
MANY = """{ profiles(first: 50) { nodes { recommendations(first: 3) { listId personalized nodes { item { productId } } }
} } }"""


def ids(list_: Any) -> list[str]:
    return [node["item"]["productId"] for node in list_["nodes"]]


async def ask(api: Api, person: UUID, **variables: Any) -> Any:
    data = await api.data(LIST, id=to_global("Profile", person), **variables)
    return data["profile"]["recommendations"]


@pytest.fixture
async def trained(shopping: Shopping) -> Shopping:
    """A shop with four tastes, its model live."""
    await shopping.crowd()
    assert (await shopping.train()).status == "published"
    return shopping


async def test_a_list_is_made_from_what_was_just_done_and_says_why(trained: Shopping, api: Api) -> None:
    person = await trained.person(State.GRANTED)
    await trained.does(person, "t1-4")
    first = await ask(api, person)
    assert (first["strategy"], first["personalized"], first["modelVersion"]) == ("FOR_YOU", True, 1)
    assert all(item.startswith("t1-") for item in ids(first)[:3])
    assert first["nodes"][0]["reason"] == {
        "kind": "VIEWED",
        "text": "Because you viewed t1-4",
        "item": {"productId": "t1-4"},
    }
    await trained.does(person, "t2-4")
    second = await ask(api, person)
    assert any(item.startswith("t2-") for item in ids(second)[:3])
    assert second["listId"] != first["listId"]


async def test_what_a_browser_makes_up_spoils_nobodys_list(trained: Shopping, api: Api) -> None:
    person = await trained.person(State.GRANTED)
    await trained.does(person, "t1-4")
    await trained.does(person, "t1-4", "product_rated", about={"rating": 10**400})
    await trained.does(person, "i" * 10_000, "purchase")
    await trained.restock()
    found = await ask(api, person, first=100)
    assert found["strategy"] == "FOR_YOU"
    assert max(map(len, ids(found))) <= 200
    again = await ask(api, person, strategy="BUY_AGAIN")
    assert ids(again) == []


async def test_a_list_is_kept_while_nothing_changes(trained: Shopping, api: Api) -> None:
    person = await trained.person(State.GRANTED)
    await trained.does(person, "t1-4")
    assert await ask(api, person) == await ask(api, person)


@pytest.mark.parametrize("word", [State.DENIED, State.WITHDRAWN])
async def test_who_takes_consent_back_gets_what_is_trending_at_once(trained: Shopping, api: Api, word: State) -> None:
    person = await trained.person(State.GRANTED)
    await trained.does(person, "t1-4")
    assert (await ask(api, person))["personalized"]
    await trained.say(person, word)
    refused = await ask(api, person)
    assert (refused["strategy"], refused["personalized"], refused["modelVersion"]) == ("TRENDING", False, None)
    assert {node["reason"]["kind"] for node in refused["nodes"]} == {"TRENDING"}
    await trained.say(person, State.GRANTED)
    assert (await ask(api, person))["personalized"]


@pytest.mark.parametrize("held", ["restricted_at", "objected_at"])
async def test_who_objects_is_neither_profiled_nor_learned_from(trained: Shopping, api: Api, held: str) -> None:
    person = await trained.person(State.GRANTED)
    await trained.does(person, "t1-4")
    await trained.does(person, "only-theirs", "purchase")
    wanted = [Ask(person, Question(Strategy.FOR_YOU, 5))]
    (before,) = await api.gateway.resources.recommender.for_people(trained.workspace, wanted)
    assert before.personalized
    await trained.connection.execute(f"UPDATE profile SET {held} = now() WHERE id = $1", person)
    await trained.restock()
    (after,) = await api.gateway.resources.recommender.for_people(trained.workspace, wanted)
    assert (after.strategy, after.personalized) == (Strategy.TRENDING, False)
    assert "only-theirs" not in {each.product_id for each in after.items}
    assert (await trained.train()).report["items"] == 48


async def test_without_a_stored_word_the_newest_event_decides(trained: Shopping, api: Api) -> None:
    person = await trained.person()
    await trained.does(person, "t1-4")
    assert (await ask(api, person))["personalized"]
    await trained.does(person, "t1-5", purposes=["analytics"])
    assert not (await ask(api, person))["personalized"]


async def test_events_collected_for_something_else_are_not_used(trained: Shopping, api: Api) -> None:
    person = await trained.person(State.GRANTED)
    await trained.does(person, "t3-4", purposes=["analytics"])
    assert not (await ask(api, person))["personalized"]
    await trained.does(person, "t1-4")
    assert not any(item.startswith("t3-") for item in ids(await ask(api, person))[:3])


async def test_fifty_people_cost_a_few_statements(trained: Shopping, api: Api) -> None:
    await api.data(MANY)
    for profile in await trained.connection.fetch("SELECT id FROM profile WHERE workspace_id = $1", trained.workspace):
        await trained.connection.execute("UPDATE profile SET version = version + 1 WHERE id = $1", profile["id"])
    api.statements.run.clear()
    data = await api.data(MANY)
    assert sum(each["recommendations"]["personalized"] for each in data["profiles"]["nodes"]) == 50
    assert len(api.statements.run) == 3, api.statements.run
    api.statements.run.clear()
    assert await api.data(MANY) == data
    assert len(api.statements.run) == 2  # the profiles, and how things stand with them: never cached


async def test_a_visitor_reads_their_own_list(trained: Shopping, api: Api) -> None:
    person = await trained.person(State.GRANTED)
    await trained.seeds.identify(person, anonymous_id="browser-1")
    await trained.does(person, "t1-4")
    data = await api.as_end_user("browser-1").data("{ profile { recommendations { personalized } } }")
    assert data["profile"]["recommendations"]["personalized"]


async def test_lists_need_their_scope(trained: Shopping, api: Api) -> None:
    person = await trained.person()
    reader = api.with_scopes([Scope.PROFILES_READ])
    assert await reader.code(LIST, id=to_global("Profile", person)) == "missing_scope"
    assert await reader.code("{ trending { listId } }") == "missing_scope"
    save = "mutation { saveItems(input: {items: []}) { __typename } }"
    assert await api.with_scopes([Scope.RECOMMENDATIONS_READ]).code(save) == "missing_scope"


async def test_items_are_saved_shown_filtered_and_removed(trained: Shopping, api: Api) -> None:
    items = [
        {"productId": f"t1-{n}", "name": f"Lamp {n}", "category": "light", "price": n, "attributes": {"color": "red"}}
        for n in range(6)
    ]
    save = "mutation ($items: [ItemInput!]!) { saveItems(input: {items: $items}) { ... on ItemsPayload { count } } }"
    assert (await api.data(save, items=items))["saveItems"]["count"] == 6
    await trained.restock()
    person = await trained.person(State.GRANTED)
    await trained.does(person, "t1-2")
    wanted = {"categories": ["light"], "priceFrom": 1, "priceTo": 4, "attributes": {"color": "red"}}
    found = await ask(api, person, filter=wanted)
    assert set(ids(found)[:3]) == {"t1-1", "t1-3", "t1-4"}
    assert [node["reason"]["kind"] for node in found["nodes"][3:]] == ["SEEN"]
    assert found["nodes"][0]["reason"]["text"] == "Because you viewed Lamp 2"

    remove = 'mutation { removeItems(input: {productIds: ["t1-3"]}) { ... on ItemsPayload { count } } }'
    assert (await api.data(remove))["removeItems"]["count"] == 1
    await trained.restock()
    assert "t1-3" not in ids(await ask(api, person))
    data = await api.data('{ item(productId: "t1-3") { name } items(first: 100) { totalCount nodes { id name } } }')
    assert (data["item"], data["items"]["totalCount"]) == (None, 47)
    node = data["items"]["nodes"][0]
    assert (await api.data("query ($id: ID!) { node(id: $id) { ... on Item { name } } }", id=node["id"]))["node"]


@pytest.mark.parametrize(
    ("item", "at"),
    [
        ({"productId": ""}, "productId"),
        ({"productId": "x" * 201}, "productId"),
        ({"productId": "x", "imageUrl": "u" * 2_001}, "imageUrl"),
        ({"productId": "x", "price": -1}, "price"),
        ({"productId": "x", "attributes": []}, "attributes"),
    ],
)
async def test_an_item_that_cannot_be_is_refused_with_its_place(api: Api, item: Any, at: str) -> None:
    save = "mutation ($items: [ItemInput!]!) { saveItems(input: {items: $items}) { ... on InvalidInput { path } } }"
    assert (await api.data(save, items=[item]))["saveItems"]["path"] == ["input", "items", "0", at]


async def test_a_price_without_end_is_refused(api: Api) -> None:
    save = (
        """mutation { saveItems(input: {items: [{productId: "x", price: 1e999}]}) { ... on InvalidInput { path } } }"""
    )
    assert (await api.data(save))["saveItems"]["path"] == ["input", "items", "0", "price"]


async def test_a_gateway_learns_of_changes_within_two_seconds(trained: Shopping, api: Api) -> None:
    person = await trained.person(State.GRANTED)
    await trained.does(person, "t1-2")
    remove = "mutation ($ids: [String!]!) { removeItems(input: {productIds: $ids}) { __typename } }"

    async def learn(_: int) -> float:
        shown = ids(await ask(api, person))
        await api.data(remove, ids=shown[:1])
        began = time.perf_counter()

        async def is_gone() -> bool:
            return shown[0] not in ids(await ask(api, person))

        await eventually(is_gone)
        return time.perf_counter() - began

    assert await soonest(learn, 2.5) < 2.5


async def test_what_is_similar_bought_together_and_trending(trained: Shopping, api: Api) -> None:
    for order in range(6):
        person = await trained.person()
        pair = [{"product_id": "t0-1"}, {"product_id": "t0-2"}] if order < 4 else [{"product_id": "t3-3"}]
        await trained.does(person, name="purchase", about={"products": pair, "order_id": f"o{order}"})
    assert (await trained.train()).status == "published"
    await trained.restock()
    data = await api.data("""{
      similarItems(productId: "t0-4", first: 3) { strategy nodes { item { productId } reason { text } } }
      boughtTogether(productId: "t0-1") { nodes { item { productId } reason { text } } }
      unknown: similarItems(productId: "nothing") { nodes { position } }
      trending(first: 2) { personalized nodes { item { productId } reason { kind } } } }""")
    assert all(item.startswith("t0-") for item in ids(data["similarItems"]))
    assert data["boughtTogether"]["nodes"] == [
        {"item": {"productId": "t0-2"}, "reason": {"text": "Bought together with t0-1"}}
    ]
    assert data["unknown"]["nodes"] == []
    assert set(ids(data["trending"])) == {"t0-1", "t0-2"}


async def test_the_policy_is_kept_and_obeyed(trained: Shopping, api: Api) -> None:
    save = """mutation ($policy: JSON!) { saveRecommendationPolicy(input: {policy: $policy}) {
        ... on PolicyPayload { policy } ... on InvalidInput { message path } } }"""
    wrong = await api.data(save, policy={"purchased": {"again": "sometimes"}})
    assert wrong["saveRecommendationPolicy"]["path"] == ["input", "policy"]
    assert "purchased.again" in wrong["saveRecommendationPolicy"]["message"]
    person = await trained.person(State.GRANTED)
    await trained.does(person, "t1-4", "purchase")
    await trained.does(person, "t1-5")
    assert "t1-4" not in ids(await ask(api, person, first=12))
    await api.data(save, policy={"purchased": {"again": "always"}, "variety": 0})
    await trained.restock()
    assert "t1-4" in ids(await ask(api, person, first=12))
    assert ids(await ask(api, person, strategy="BUY_AGAIN")) == ["t1-4"]
    kept = (await api.data("{ recommendationPolicy }"))["recommendationPolicy"]
    assert (kept["purchased"]["again"], kept["variety"], kept["most_of_category"]) == ("always", 0, 0.5)


async def test_models_are_listed_and_rolled_back(trained: Shopping, api: Api) -> None:
    back = "mutation { rollBackModel(input: {}) { __typename ... on ModelPayload { model { version live } } } }"
    assert (await api.data(back))["rollBackModel"]["__typename"] == "NotFound"
    assert (await trained.train()).version == 2
    assert (await api.data(back))["rollBackModel"]["model"] == {"version": 1, "live": True}
    listed = (await api.data("{ recommenderModels { version status live rolledBackAt report } }"))["recommenderModels"]
    assert [(each["version"], each["live"], bool(each["rolledBackAt"])) for each in listed] == [
        (2, False, True),
        (1, True, False),
    ]
    assert listed[0]["report"]["popularity"]["ndcg"]["mean"] < listed[0]["report"]["candidate"]["ndcg"]["mean"]


async def test_a_version_can_be_named_to_go_to(trained: Shopping, api: Api) -> None:
    to = """mutation ($version: Int) { rollBackModel(input: {version: $version}) {
        ... on ModelPayload { model { version rolledBackAt } } ... on NotFound { message } } }"""
    assert (await trained.train()).version == 2
    assert (await api.data(to, version=1))["rollBackModel"]["model"]["version"] == 1
    assert (await api.data(to, version=2))["rollBackModel"]["model"] == {"version": 2, "rolledBackAt": None}
    assert "Version 7" in (await api.data(to, version=7))["rollBackModel"]["message"]


async def test_what_became_of_lists_is_counted_by_strategy_and_version(trained: Shopping, api: Api) -> None:
    people = [await trained.person(State.GRANTED) for _ in range(4)]
    lists = []
    for person in people:
        await trained.does(person, "t1-4")
        lists.append(await ask(api, person))
    await api.gateway.resources.recommender._exposures.flush()
    for person, list_ in zip(people[:3], lists, strict=False):
        await trained.does(person, name="recommendation_shown", about={"list_id": list_["listId"]})
    for person, list_ in zip(people[:2], lists, strict=False):
        await trained.does(person, ids(list_)[0], "recommendation_clicked", about={"list_id": list_["listId"]})
    await trained.does(people[0], ids(lists[0])[0], "purchase")
    await trained.does(people[3], ids(lists[3])[0], "purchase")  # without a click it is nobody's merit
    rows = await api.data("""{ recommendationPerformance {
        strategy modelVersion lists impressions clicks purchases clickThrough conversion } }""")
    assert rows["recommendationPerformance"] == [
        {
            "strategy": "FOR_YOU",
            "modelVersion": 1,
            "lists": 4,
            "impressions": 3,
            "clicks": 2,
            "purchases": 1,
            "clickThrough": pytest.approx(2 / 3),
            "conversion": pytest.approx(1 / 3),
        }
    ]


async def test_a_context_is_kept_with_the_list_and_holds_no_sentences(trained: Shopping, api: Api) -> None:
    query = "query ($context: RecommendationContext) { trending(context: $context) { listId } }"
    listed = (await api.data(query, context={"pageType": "homepage", "device": "mobile"}))["trending"]["listId"]
    await api.gateway.resources.recommender._exposures.flush()
    row = await trained.connection.fetchrow("SELECT context, strategy FROM served_list WHERE id = $1", UUID(listed))
    assert row["context"] == {"page_type": "homepage", "device": "mobile"}
    assert await api.code(query, context={"placement": "for ann@example.com"}) == "invalid_request"


async def test_redis_is_only_a_shortcut(trained: Shopping, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await trained.person(State.GRANTED)
    await trained.does(person, "t1-4")
    first = await ask(api, person)
    lost = await open_redis(str(api.gateway.resources.settings.redis_url))
    await lost.aclose()
    lost.connection_pool.connection_kwargs["port"] = 1
    monkeypatch.setattr(api.gateway.resources.recommender._kept._cache, "_redis", lost)
    assert ids(await ask(api, person)) == ids(first)
    await lost.aclose()


async def test_a_rollback_under_traffic_costs_no_request(trained: Shopping, api: Api) -> None:
    assert (await trained.train()).version == 2
    await trained.restock()
    people = [await trained.person(State.GRANTED) for _ in range(8)]
    for person in people:
        await trained.does(person, "t1-4")
    versions: list[int] = []
    done = asyncio.Event()

    async def keep_asking(person: UUID) -> None:
        while not done.is_set():
            answer = await ask(api, person)
            assert answer["personalized"]
            assert len(answer["nodes"]) == 5
            versions.append(answer["modelVersion"])

    async def roll_back() -> None:
        async with asyncio.timeout(AT_ALL):
            while len(versions) < 50:
                await asyncio.sleep(0.01)
            await api.data("mutation { rollBackModel(input: {}) { __typename } }")
            while versions[-20:] != [1] * 20:
                await asyncio.sleep(0.01)
        done.set()

    await asyncio.gather(roll_back(), *(keep_asking(person) for person in people))
    assert versions[0] == 2
    assert set(versions) == {1, 2}


async def test_a_list_at_the_root_needs_nobody_known(trained: Shopping, api: Api) -> None:
    query = """query ($id: String!) { recommendations(by: {externalId: $id}, first: 3) {
      personalized nodes { item { productId } } } }"""
    person = await trained.person(State.GRANTED, user_id="u-7")
    await trained.does(person, "t1-4")
    only = api.with_scopes({Scope.RECOMMENDATIONS_READ})
    assert (await only.data(query, id="u-7"))["recommendations"]["personalized"]
    stranger = (await only.data(query, id="nobody"))["recommendations"]
    assert (stranger["personalized"], len(stranger["nodes"])) == (False, 3)
    own = await api.as_end_user(user_id="u-7").data("{ recommendations { personalized } }")
    assert own["recommendations"]["personalized"]
