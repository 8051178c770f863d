from typing import Any
from uuid import UUID, uuid4

from domain.key import Scope
from resolvers.node import to_global
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import NOON, Seeds

LIST = """query ($status: MatchStatus! = OPEN) { matchCandidates(status: $status) {
    id profileId otherProfileId score status fields { name score } } }"""
ACCEPT = """mutation ($id: ID!) { acceptMatch(input: {id: $id, reason: "they are one"}) {
    __typename ... on IdentityPayload { profile { id } } ... on Problem { code } } }"""
REJECT = """mutation ($id: ID!) { rejectMatch(input: {id: $id}) {
    __typename ... on RejectMatchPayload { candidate { status } } ... on Problem { code } } }"""


async def pair(seeds: Seeds, score: float) -> tuple[str, UUID, UUID]:
    one, other = sorted([await seeds.profile(user_id=uuid4().hex), await seeds.profile(user_id=uuid4().hex)])
    candidate = uuid4()
    await seeds.connection.execute(
        "INSERT INTO match_candidate VALUES ($1, $2, $3, $4, $5, $6, 'open', $7)",
        seeds.workspace, candidate, one, other, score, {"name": 0.5, "postcode": 1.0}, NOON,
    )  # fmt: skip
    return to_global("MatchCandidate", candidate), one, other


async def test_candidates_are_listed_accepted_and_rejected(api: Api, seeds: Seeds) -> None:
    first, one, other = await pair(seeds, 0.5)
    second, *_ = await pair(seeds, 0.75)
    listed: list[Any] = (await api.data(LIST))["matchCandidates"]
    assert [(each["id"], each["score"]) for each in listed] == [(second, 0.75), (first, 0.5)]
    assert {listed[1]["profileId"], listed[1]["otherProfileId"]} == {
        to_global("Profile", one),
        to_global("Profile", other),
    }
    assert listed[1]["fields"] == [{"name": "name", "score": 0.5}, {"name": "postcode", "score": 1.0}]

    accepted = (await api.data(ACCEPT, id=first))["acceptMatch"]
    assert accepted["profile"]["id"] in (to_global("Profile", one), to_global("Profile", other))
    assert (await api.data(REJECT, id=second))["rejectMatch"]["candidate"]["status"] == "REJECTED"
    assert (await api.data(LIST))["matchCandidates"] == []
    assert [each["id"] for each in (await api.data(LIST, status="ACCEPTED"))["matchCandidates"]] == [first]
    for again in (first, second, to_global("MatchCandidate", uuid4())):
        assert (await api.data(ACCEPT, id=again))["acceptMatch"]["__typename"] == "NotFound"
        assert (await api.data(REJECT, id=again))["rejectMatch"]["__typename"] == "NotFound"


async def test_who_may_decide(api: Api, seeds: Seeds) -> None:
    candidate, *_ = await pair(seeds, 0.5)
    reader = api.with_scopes([Scope.PROFILES_READ])
    assert len((await reader.data(LIST))["matchCandidates"]) == 1
    for document in (ACCEPT, REJECT):
        assert await reader.code(document, id=candidate) == "missing_scope"
    assert len((await api.data(LIST))["matchCandidates"]) == 1
