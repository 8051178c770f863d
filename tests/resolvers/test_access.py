"""What those who watch over personal data are shown of the looks at it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.key import Scope
from resolvers.node import to_global
from tests.fixtures.graphql import Api
from tests.fixtures.person import EMAIL, REASON, detokenize
from tests.fixtures.seeds import Seeds

LOG = """query ($by: ProfileBy, $actor: String, $from: DateTime, $to: DateTime, $first: Int! = 20, $after: String) {
  accessLog(by: $by, actor: $actor, from: $from, to: $to, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor }
    nodes { number at actor action profileId fields purpose reason } } }"""


async def looks(api: Api, **variables: Any) -> Any:
    return (await api.data(LOG, **variables))["accessLog"]


def numbers(found: Any) -> list[int]:
    return [look["number"] for look in found["nodes"]]


@pytest.fixture
async def other(seeds: Seeds, api: Api, jane: UUID) -> Api:
    """A second key; the first has looked three times at one person, then this one once."""
    assert jane
    second = api.with_scopes(Scope)
    for each in (api, api, api, second):
        await detokenize(each, "traits.email")
    assert len(await seeds.looks()) == 4
    return second


@pytest.mark.usefixtures("other")
async def test_looks_are_listed_the_newest_first(api: Api, jane: UUID) -> None:
    found = await looks(api, first=3)
    assert (numbers(found), found["totalCount"]) == ([4, 3, 2], 4)
    rest = await looks(api, first=3, after=found["pageInfo"]["endCursor"])
    assert (numbers(rest), rest["pageInfo"]["hasNextPage"]) == ([1], False)
    assert api.caller
    assert rest["nodes"][0] | {"at": None} == {
        "number": 1,
        "at": None,
        "actor": api.caller.principal.actor,
        "action": "detokenize",
        "profileId": to_global("Profile", jane),
        "fields": ["traits.email"],
        "purpose": "PERSONALIZATION",
        "reason": REASON,
    }


async def test_looks_are_found_by_key_and_by_time(api: Api, other: Api) -> None:
    assert other.caller
    assert numbers(await looks(api, actor=other.caller.principal.actor)) == [4]
    now = datetime.now(UTC)
    earlier, later = (now - timedelta(hours=1)).isoformat(), (now + timedelta(hours=1)).replace(tzinfo=None).isoformat()
    assert numbers(await looks(api, **{"from": earlier, "to": later})) == [4, 3, 2, 1]
    assert numbers(await looks(api, to=earlier)) == numbers(await looks(api, **{"from": later})) == []


@pytest.mark.usefixtures("other")
async def test_looks_are_found_by_person_also_after_a_merge_and_after_they_are_gone(
    api: Api, seeds: Seeds, jane: UUID
) -> None:
    stranger = await seeds.profile(email="bob@mail.co")
    assert (
        numbers(await looks(api, by={"email": "bob@mail.co"}))
        == numbers(await looks(api, by={"email": "x@mail.co"}))
        == []
    )
    assert numbers(await looks(api, by={"email": EMAIL})) == [4, 3, 2, 1]
    await seeds.merge(jane, stranger)
    assert numbers(await looks(api, by={"email": "bob@mail.co"})) == [4, 3, 2, 1]
    await seeds.connection.execute("DELETE FROM profile WHERE id = ANY($1)", [jane, stranger])
    assert numbers(await looks(api, by={"id": to_global("Profile", jane)})) == [4, 3, 2, 1]


@pytest.mark.usefixtures("other")
async def test_it_is_for_those_who_watch_over_privacy(api: Api) -> None:
    assert await api.with_scopes(set(Scope) - {Scope.PRIVACY_ADMIN}).code(LOG) == "missing_scope"
    assert await api.as_end_user("visitor").code(LOG) == "wrong_kind_of_key"


@pytest.mark.parametrize(
    "document", ['{ accessLog(from: "%s") { totalCount } }', '{ droppedFields(since: "%s") { path } }']
)
async def test_a_time_outside_the_calendar_is_the_callers_fault(api: Api, document: str) -> None:
    assert await api.code(document % "9999-12-31T23:59:59-23:59") == "invalid_request"
