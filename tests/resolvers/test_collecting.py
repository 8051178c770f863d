"""Events told by GraphQL."""

from typing import Any

from domain.event import CallType
from domain.key import Scope
from tests.fixtures.gateway import event
from tests.fixtures.graphql import Api

TRACK = """mutation ($events: [JSON!]!) { trackEvents(input: {events: $events, clientMutationId: "c"}) {
  ... on TrackEventsPayload { clientMutationId results { messageId outcome code message dropped } }
  ... on Problem { code path } } }"""


async def _track(api: Api, *events: Any) -> Any:
    return (await api.data(TRACK, events=list(events)))["trackEvents"]


async def test_each_event_has_an_outcome_of_its_own(api: Api) -> None:
    good, refused = event(), event(consent={"analytics": False, "functional": False, "personalization": False})
    found = await _track(api, good, refused, {"type": "track"}, "no object")
    assert found["clientMutationId"] == "c"
    outcomes = [each["outcome"] for each in found["results"]]
    assert outcomes == ["ACCEPTED", "DROPPED_CONSENT", "INVALID", "INVALID"]
    assert found["results"][0]["messageId"] == good["messageId"]
    rows = await api.gateway.sql("SELECT 1 FROM log_record WHERE position($1 IN value) > 0", good["messageId"].encode())
    assert len(rows) == 1


async def test_what_may_not_be_told(api: Api) -> None:
    assert (await _track(api))["code"] == "invalid_request"
    assert (await _track(api, *[event()] * 101))["path"] == ["input", "events"]
    assert await api.with_scopes({Scope.PROFILES_READ}).code(TRACK, events=[event()]) == "missing_scope"
    assert await api.as_end_user("a-1").code(TRACK, events=[event()]) == "wrong_kind_of_key"


UPDATE = """mutation ($user: String!, $traits: JSON!) {
  updateProfile(input: {userId: $user, traits: $traits, clientMutationId: "c"}) {
    ... on UpdateProfilePayload { clientMutationId result { outcome code } quota { atOnce left fullAfter } }
    ... on Problem { code message path } } }"""


async def test_an_operator_s_system_sets_traits(api: Api) -> None:
    found = (await api.data(UPDATE, user="12345", traits={"age": 35}))["updateProfile"]
    assert (found["clientMutationId"], found["result"]) == ("c", {"outcome": "ACCEPTED", "code": None})
    assert 0 < found["quota"]["left"] < found["quota"]["atOnce"]
    [logged] = await api.gateway.logged()
    assert (logged.type, logged.traits) == (CallType.IDENTIFY, {"age": 35})
    refused = (await api.data(UPDATE, user="null", traits={"age": 35}))["updateProfile"]
    assert (refused["code"], refused["path"]) == ("invalid_event", ["input"])
    assert "placeholder" in refused["message"]
    assert await api.with_scopes({Scope.PROFILES_READ}).code(UPDATE, user="1", traits={}) == "missing_scope"
    assert await api.as_end_user("a-1").code(UPDATE, user="1", traits={}) == "wrong_kind_of_key"
