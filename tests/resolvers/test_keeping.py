"""Answers that are given again, and everything that has to end them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from domain.consent import Purpose, State
from domain.key import Scope
from resolvers.context import Operation, Session
from resolvers.keeping import KeptAnswers
from resolvers.live.groups import Payload
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import NOON, Seeds, later

DOCUMENT = """query ($id: String!) { profile(by: {externalId: $id}) {
  id version traits counters identities { kind } consents { purpose state }
  segments { segment { key name description text } enteredAt } inSegment(key: "vip") } }"""


async def _statements(api: Api, document: str = DOCUMENT, **variables: Any) -> tuple[Any, int]:
    api.statements.run.clear()
    data = await api.data(document, **variables)
    return data, len(api.statements.run)


async def test_a_second_answer_costs_a_look_whether_anything_has_changed(api: Api, seeds: Seeds) -> None:
    await seeds.profile(traits={"plan": "pro"}, user_id="u-1")
    first, many = await _statements(api, id="u-1")
    again, few = await _statements(api, id="u-1")
    assert again == first
    assert (few, many > few) == (2, True)


@pytest.mark.parametrize(
    "change", ["traits", "version", "consent", "join", "rename", "identify", "counters"], ids=lambda name: name
)
async def test_any_change_of_the_person_ends_an_answer(api: Api, seeds: Seeds, change: str) -> None:
    profile = await seeds.profile(traits={"plan": "pro"}, user_id="u-1")
    vip = await seeds.segment("vip")
    old = await seeds.segment("old")
    await seeds.join(profile, old)
    changes: dict[str, Callable[[], Awaitable[Any]]] = {
        "traits": lambda: seeds.set("profile", "traits", {"plan": {"v": "free", "t": 2}}),
        "version": lambda: seeds.set("profile", "version", 7),
        "counters": lambda: seeds.set("profile", "counters", {"product_view": 3}),
        "consent": lambda: seeds.consent(profile, Purpose.ANALYTICS, State.DENIED),
        "join": lambda: seeds.join(profile, vip),
        "rename": lambda: seeds.set("segment", "name", "another"),
        "identify": lambda: seeds.identify(profile, email="a@example.org"),
    }
    first = await api.data(DOCUMENT, id="u-1")
    assert await api.data(DOCUMENT, id="u-1") == first
    await changes[change]()
    assert await api.data(DOCUMENT, id="u-1") != first


async def test_what_consent_forbids_is_not_given_again(api: Api, seeds: Seeds) -> None:
    """Every purpose of the trait is refused after the answer was kept."""
    profile = await seeds.profile(traits={"plan": "pro"}, user_id="u-1")
    document = '{ profile(by: {externalId: "u-1"}) { traits } }'
    assert (await api.data(document))["profile"]["traits"] == {"plan": "pro"}
    for purpose in Purpose:
        await seeds.consent(profile, purpose, State.WITHDRAWN, later(1))
    assert (await api.data(document))["profile"]["traits"] == {}
    visitor = api.as_end_user(user_id="u-1")
    assert (await visitor.data("{ profile { traits } }"))["profile"]["traits"] == {"plan": "pro"}


async def test_nobody_is_given_what_another_may_see(api: Api, seeds: Seeds) -> None:
    await seeds.profile(user_id="u-1")
    await seeds.profile(user_id="u-2")
    document = "{ profile { id } }"
    one, two = [await api.as_end_user(user_id=each).data(document) for each in ("u-1", "u-2")]
    assert one["profile"]["id"] != two["profile"]["id"]
    await api.data(DOCUMENT, id="u-1")
    reader = api.with_scopes({Scope.PROFILES_READ})
    assert await reader.code(DOCUMENT, id="u-1") == "missing_scope"
    assert await api.with_scopes(()).code('{ profile(by: {externalId: "u-1"}) { id } }') == "missing_scope"


async def test_who_is_restricted_or_erased_is_shown_no_more(api: Api, seeds: Seeds) -> None:
    await seeds.profile(user_id="u-1")
    await api.data(DOCUMENT, id="u-1")
    await seeds.set("profile", "restricted_at", NOON)
    assert await api.code(DOCUMENT, id="u-1") == "restricted"
    await seeds.set("profile", "restricted_at", None)
    await api.data(DOCUMENT, id="u-1")
    await seeds.connection.execute("DELETE FROM profile WHERE workspace_id = $1", seeds.workspace)
    assert (await api.data(DOCUMENT, id="u-1"))["profile"] is None


async def test_what_depends_on_more_than_the_person_is_never_kept(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1")
    segment = await seeds.segment("vip")
    await seeds.join(profile, segment)
    for asked in (
        "events { totalCount }",
        "recommendations { listId }",
        "segments { segment { size } }",
        "segments { segment { members { totalCount } } }",
    ):
        document = f'{{ profile(by: {{externalId: "u-1"}}) {{ {asked} }} }}'
        _, first = await _statements(api, document)
        assert "string_agg" not in " ".join(api.statements.run), asked
        assert first


async def test_a_person_that_was_merged_is_followed(api: Api, seeds: Seeds) -> None:
    loser = await seeds.profile(user_id="u-1")
    winner = await seeds.profile(user_id="u-2", traits={"plan": "pro"})
    before = await api.data(DOCUMENT, id="u-1")
    await seeds.merge(loser, winner)
    after = await api.data(DOCUMENT, id="u-1")
    assert before["profile"]["id"] != after["profile"]["id"]
    assert after == await api.data(DOCUMENT, id="u-2")


async def test_what_is_kept_is_bounded_and_let_go_of(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1")
    now = 0.0
    kept = KeptAnswers(most_bytes=1_000, ticks=lambda: now)
    made = 0

    async def make() -> Any:
        nonlocal made
        made += 1
        return Payload.of(await api.run("{ viewer { endUser } }")), 1

    async def ask(document: str) -> None:
        await kept.answer(Operation(api.session()), document, [profile], make)

    await ask("one")
    await ask("one")
    assert (made, len(kept)) == (1, 1)
    for number in range(30):
        await ask(str(number))
    assert len(kept) < 20
    now = 61.0
    kept._drop_old()
    assert len(kept) == 0
    await ask("one")
    assert len(kept) == 1


async def test_a_change_while_an_answer_is_made_ends_it(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1")
    kept, made = KeptAnswers(), []

    async def make() -> Any:
        made.append(await seeds.value("version", "profile"))
        await seeds.set("profile", "version", 9)
        return Payload.of(await api.run("{ viewer { endUser } }")), 1

    session: Session = api.session()
    whom: list[UUID] = [profile]
    await kept.answer(Operation(session), "asked", whom, make)
    await asyncio.sleep(0)
    await kept.answer(Operation(session), "asked", whom, make)
    assert made == [1, 9]
