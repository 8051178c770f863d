"""The checklist of the OASIS CDP specification (CS01): each thing that is offered is asked for, in one workspace."""

import msgspec
import pytest
from graphql import GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType

from domain.consent import Purpose, State
from domain.key import Scope
from domain.outcome import Outcome
from resolvers.node import to_global
from resolvers.schema import build_schema
from stores.feed import Feed, FeedEntry, feed_channel
from tests.fixtures.graphql import Api, eventually
from tests.fixtures.seeds import NOON, Seeds

OFFERED = {
    "CDP_Query": {"getProfile", "findProfiles", "getEvent", "findEvents", "getSegment", "findSegments"},
    "CDP_Mutation": {"processEvents", "deleteAllPersonalData"},
    "CDP_Profile": {
        "cdp_profileIDs", "cdp_segments", "cdp_consents", "cdp_events", "cdp_lastEvents", "cdp_matches",
        "cdp_recommend", "properties",
    },
    "CDP_ProfileID": {"id", "client"},
    "CDP_Client": {"id", "title"},
    "CDP_Segment": {"id", "name", "view"},
    "CDP_View": {"name"},
    "CDP_Consent": {"token", "type", "status", "lastUpdate", "expiration", "source"},
    "CDP_Event": {"id", "name", "cdp_timestamp", "cdp_profileID", "cdp_profile", "properties"},
    "CDP_FilterMatch": {"name", "matched"},
    "CDP_ProfileConnection": {"totalCount", "edges", "pageInfo", "nodes"},
    "CDP_EventInput": {
        "id", "cdp_profileID", "cdp_timestamp", "cdp_profileUpdateEvent", "cdp_consentUpdateEvent", "event",
    },
    "CDP_ProfileIDInput": {"id", "client"},
    "CDP_ProfileFilterInput": {"profileIDs_contains", "segments_contains"},
}  # fmt: skip

PROFILE = """fragment P on CDP_Profile { cdp_profileIDs { id client { id } } cdp_segments { id name view { name } }
  cdp_consents { type status source }
  cdp_events(first: 5) { edges { node { id name properties } } pageInfo { hasNextPage } }
  cdp_lastEvents(count: 1) { nodes { id cdp_profileID { id } } } properties
  cdp_matches(namedFilters: [{name: "in", filter: {segments_contains: ["vip"]}},
    {name: "out", filter: {segments_contains: ["gold"]}}]) { name matched } }"""
GET = (
    PROFILE
    + " query ($id: ID!, $client: ID!) { cdp { getProfile(profileID: {id: $id, client: {id: $client}}) { ...P } } }"
)
FIND = """query ($filter: CDP_ProfileFilterInput) { cdp { findProfiles(filter: $filter, first: 10) { totalCount
  edges { cursor node { cdp_profileIDs { id } } } pageInfo { hasNextPage hasPreviousPage } } } }"""
PROCESS = "mutation ($events: [CDP_EventInput!]!) { cdp { processEvents(events: $events) } }"


def test_what_is_offered_has_the_specification_s_names() -> None:
    schema = build_schema()._schema
    for name, fields in OFFERED.items():
        found = schema.get_type(name)
        assert isinstance(found, GraphQLObjectType | GraphQLInputObjectType | GraphQLInterfaceType), name
        assert fields <= set(found.fields), name
    assert schema.subscription_type
    assert {"cdp_eventListener", "cdp_profileListener"} <= set(schema.subscription_type.fields)
    for root in (schema.query_type, schema.mutation_type):
        assert root
        assert "cdp" in root.fields


async def test_a_profile_with_all_that_hangs_on_it(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(traits={"plan": "pro"}, user_id="u-1")
    await seeds.join(profile, await seeds.segment("vip"))
    await seeds.consent(profile, Purpose.ANALYTICS, State.WITHDRAWN)
    message = await seeds.event(profile)
    ours = to_global("Profile", profile)
    found = (await api.data(GET, id="u-1", client="userId"))["cdp"]["getProfile"]
    assert found["cdp_profileIDs"] == [{"id": ours, "client": {"id": "tagway"}}]
    assert [(each["id"], each["name"]) for each in found["cdp_segments"]] == [("vip", "vip")]
    assert found["cdp_consents"] == [{"type": "analytics", "status": "REVOKED", "source": "banner"}]
    assert [edge["node"]["id"] for edge in found["cdp_events"]["edges"]] == [message]
    assert found["cdp_lastEvents"]["nodes"] == [{"id": message, "cdp_profileID": {"id": ours}}]
    assert found["cdp_matches"] == [{"name": "in", "matched": True}, {"name": "out", "matched": False}]
    assert found["properties"] == {"plan": "pro"}
    assert (await api.data(GET, id=ours, client="tagway"))["cdp"]["getProfile"] == found
    assert (await api.data(GET, id="nobody", client="userId"))["cdp"]["getProfile"] is None
    assert await api.code(GET, id="u-1", client="another") == "invalid_request"
    creating = 'query { cdp { getProfile(profileID: {id: "u-9"}, createIfMissing: true) { properties } } }'
    assert await api.code(creating) == "invalid_request"


async def test_profiles_are_found_by_id_and_segment(api: Api, seeds: Seeds) -> None:
    one, two, three = [await seeds.profile(user_id=f"u-{n}") for n in range(3)]
    vip, gold = await seeds.segment("vip"), await seeds.segment("gold")
    await seeds.join(one, vip, gold)
    await seeds.join(two, vip)

    async def found(**filter_: list[str]) -> set[str]:
        page = (await api.data(FIND, filter=filter_ or None))["cdp"]["findProfiles"]
        return {edge["node"]["cdp_profileIDs"][0]["id"] for edge in page["edges"]}

    first, second, third = (to_global("Profile", each) for each in (one, two, three))
    assert await found() == {first, second, third}
    assert await found(segments_contains=["vip"]) == {first, second}
    assert await found(profileIDs_contains=[first, third]) == {first, third}
    assert await found(profileIDs_contains=[first, second], segments_contains=["vip", "gold"]) == {first}
    assert await api.code(FIND, filter={"segments_contains": ["vip", "gold"]}) == "invalid_request"
    assert await api.code(FIND, filter={"segments_contains": ["none"]}) == "not_found"
    await seeds.connection.execute("UPDATE profile SET restricted_at = $2 WHERE id = $1", one, NOON)
    assert await found(profileIDs_contains=[first, third]) == {third}


async def test_events_and_segments(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1")
    message = await seeds.event(profile)
    await seeds.segment("vip")
    data = await api.data(
        """query ($m: ID!, $p: ID!) { cdp { getEvent(id: $m) { name properties cdp_profile { properties } }
        findEvents(filter: {cdp_profileID_equals: $p}) { nodes { id } } getSegment(segmentID: "vip") { name }
        findSegments { nodes { id } } } }""",
        m=message,
        p=to_global("Profile", profile),
    )
    assert data["cdp"] == {
        "getEvent": {"name": "product_view", "properties": {"product_id": "p1"}, "cdp_profile": {"properties": {}}},
        "findEvents": {"nodes": [{"id": message}]},
        "getSegment": {"name": "vip"},
        "findSegments": {"nodes": [{"id": "vip"}]},
    }


async def test_events_are_taken_as_others_are(api: Api, seeds: Seeds) -> None:
    who = {"id": "u-1", "client": {"id": "userId"}}
    events = [
        {"cdp_profileID": who, "id": "e-1", "event": {"name": "product_view", "properties": {"product_id": "p1"}}},
        {"cdp_profileID": who, "cdp_profileUpdateEvent": {"properties": {"plan": "pro"}}},
        {"cdp_profileID": who, "cdp_consentUpdateEvent": {"type": "ANALYTICS", "status": "DENIED"}},
    ]
    assert (await api.data(PROCESS, events=events))["cdp"]["processEvents"] == 3
    assert [row["message_id"] for row in await _kept(seeds)] == ["e-1"]
    stored = await seeds.connection.fetchrow(
        "SELECT purpose, state FROM consent WHERE workspace_id = $1", seeds.workspace
    )
    assert tuple(stored) == ("analytics", "denied")
    nameless = {"cdp_profileID": {"id": "a@example.org", "client": {"id": "email"}}, "event": {"name": "page_view"}}
    assert await api.code(PROCESS, events=[nameless]) == "invalid_request"
    assert await api.with_scopes({Scope.PROFILES_READ}).code(PROCESS, events=events) == "missing_scope"


async def _kept(seeds: Seeds) -> list[dict[str, str]]:
    rows = await seeds.connection.fetch("SELECT value FROM log_record WHERE position($1 IN value) > 0", b'"e-1"')
    return [{"message_id": msgspec.json.decode(row["value"])["message_id"]} for row in rows]


async def test_personal_data_is_deleted_by_a_request(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1")
    document = "mutation ($by: CDP_ProfileIDInput) { cdp { deleteAllPersonalData(profileID: $by) } }"
    by = {"id": to_global("Profile", profile)}
    assert (await api.data(document, by=by))["cdp"]["deleteAllPersonalData"] is True
    assert (await api.as_end_user("a-1").data(document))["cdp"]["deleteAllPersonalData"] is True
    rows = await seeds.connection.fetch("SELECT kind FROM privacy_request WHERE workspace_id = $1", seeds.workspace)
    assert [row["kind"] for row in rows] == ["erase", "erase"]
    assert await api.with_scopes({Scope.PROFILES_WRITE}).code(document, by=by) == "missing_scope"
    assert await api.as_end_user("a-1").code(document, by=by) == "wrong_kind_of_key"


async def test_events_are_listened_to(api: Api, seeds: Seeds) -> None:
    profile, other = await seeds.profile(user_id="u-1"), await seeds.profile(user_id="u-2")
    story = await api.subscribe(
        """subscription ($p: ID!) { cdp_eventListener(filter: {cdp_profileID_equals: $p}) {
        id name cdp_profileID { id } cdp_profile { properties } properties } }""",
        p=to_global("Profile", profile),
    )
    waiting = story.soon()
    await eventually(lambda: seeds.hearers(feed_channel(seeds.workspace)))
    entries = [
        FeedEntry(at=NOON, message_id=f"m-{n}", outcome=outcome, name="page_view", profile_id=whose)
        for n, (outcome, whose) in enumerate(
            [(Outcome.ACCEPTED, other), (Outcome.DROPPED_CONSENT, profile), (Outcome.ACCEPTED, profile)]
        )
    ]
    await Feed(api.gateway.resources.redis).publish(seeds.workspace, entries)
    [told] = await waiting
    assert (told["id"], told["properties"]) == ("m-2", None)
    assert told["cdp_profileID"]["id"] == to_global("Profile", profile)
    await story.close()


async def test_a_profile_is_listened_to(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1", traits={"plan": "free"})
    document = """subscription ($filter: CDP_ProfileFilterInput!) { cdp_profileListener(filter: $filter) {
        properties } }"""
    ours = to_global("Profile", profile)
    story = await api.subscribe(document, filter={"profileIDs_contains": [ours]})
    assert (await story.next())[0] == {"properties": {"plan": "free"}}
    await seeds.set("profile", "traits", {"plan": {"v": "pro", "t": 2}})
    assert (await story.next())[0] == {"properties": {"plan": "pro"}}
    await story.close()
    for wrong in ({}, {"profileIDs_contains": [ours, ours]}, {"segments_contains": ["vip"]}):
        story = await api.subscribe(document, filter=wrong)
        assert (await story.error()).extensions["code"] == "invalid_request"


@pytest.mark.parametrize("scope", [Scope.PROFILES_READ, Scope.SEGMENTS_READ, Scope.EVENTS_READ])
async def test_every_scope_counts(api: Api, seeds: Seeds, scope: Scope) -> None:
    await seeds.profile(user_id="u-1")
    lacking = api.with_scopes(set(Scope) - {scope})
    assert await lacking.code(GET, id="u-1", client="userId") == "missing_scope"
    assert await api.as_end_user("a-1").code("{ cdp { findProfiles { totalCount } } }") == "wrong_kind_of_key"
