"""Every query, mutation and subscription, asked by one workspace for what is another's: nothing is told or changed.

A root field without a case here fails.
"""

import asyncio
import base64
import json
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from strawberry.types.execution import PreExecutionError

from domain.clock import utc_now
from domain.consent import Purpose, State
from domain.event import CallType, ProtectedEvent, encode_event
from domain.key import Principal, Scope
from resolvers.caller import Caller
from resolvers.node import to_global
from tests.fixtures.gateway import Gateway, make_tenant
from tests.fixtures.graphql import Api, Statements
from tests.fixtures.seeds import DEFINITION, NOON, Seeds
from tests.resolvers.root_fields import (
    CANARY,
    FOUND,
    MUTATIONS,
    QUERIES,
    SCHEMA,
    SHOWN,
    SUBSCRIPTIONS,
    document,
    roots,
    used,
)


class Theirs:
    """Another workspace with something of everything, and a caller of its own."""

    def __init__(self, api: Api, seeds: Seeds, ids: dict[str, str]) -> None:
        self.api = api
        self.seeds = seeds
        self.ids = ids

    async def rows(self) -> dict[str, str]:
        """Tell all that is stored of it, table by table."""
        found: dict[str, str] = {}
        for (table,) in await self.seeds.connection.fetch(
            "SELECT DISTINCT table_name FROM information_schema.columns"
            " WHERE column_name = 'workspace_id' AND table_schema = 'public' ORDER BY 1"
        ):
            found[table] = await self.seeds.connection.fetchval(
                f"SELECT coalesce(string_agg(row::text, E'\\n' ORDER BY row::text), '') FROM {table} AS row"
                " WHERE workspace_id = $1",
                self.seeds.workspace,
            )
        return found


@pytest.fixture
async def theirs(gateway: Gateway, seeds: Seeds) -> Theirs:
    tenant = await make_tenant(gateway.database_url, name=f"{CANARY}-shop")
    house = replace(gateway, tenant=tenant)
    workspace = await gateway.resources.workspaces.get(tenant.workspace)
    principal = Principal(workspace.id, frozenset(Scope), key_id=uuid4())
    api = Api(house, Caller(principal, workspace.keys), Statements())
    own = Seeds(seeds.connection, seeds.redis, house, tenant.workspace)
    ids = await _furnish(api, own)
    return Theirs(api, own, ids)


async def _furnish(api: Api, seeds: Seeds) -> dict[str, str]:
    one = await seeds.profile(user_id="u-theirs", email="ada@theirs.example", traits={"plan": f"{CANARY}-plan"})
    other, third = await seeds.profile(user_id="u-second"), await seeds.profile(user_id="u-third")
    await seeds.seal(one, email=f"{CANARY}@theirs.example")
    for purpose in (Purpose.ANALYTICS, Purpose.PERSONALIZATION):
        await seeds.consent(one, purpose, State.GRANTED)
    message = await seeds.event(one)
    segment = await seeds.segment("theirs")
    await seeds.set("segment", "name", f"{CANARY} segment")
    await seeds.join(one, segment)
    candidate = uuid4()
    await seeds.connection.execute(
        "INSERT INTO match_candidate VALUES ($1, $2, $3, $4, 0.5, $5, 'open', $6)",
        *(seeds.workspace, candidate, *sorted([one, third]), {"name": 0.5}, NOON),
    )
    letter = await _bury(seeds)
    look = f'{{externalId: "u-theirs"}}, fields: ["traits.email"], purpose: PERSONALIZATION, reason: "{CANARY} asks"'
    await api.data(f"mutation {{ detokenize(input: {{by: {look}}}) {{ __typename }} }}")
    asked = await api.data(
        f"""mutation {{ openPrivacyRequest(input: {{kind: ACCESS, by: {{externalId: "u-theirs"}},
        reason: "{CANARY} wishes"}}) {{ ... on PrivacyRequestPayload {{ request {{ id }} }} }} }}"""
    )
    await api.data(
        f"""mutation {{ saveItems(input: {{items: [{{productId: "p-theirs", name: "{CANARY} lamp"}}]}})
        {{ __typename }} }}"""
    )
    ids = {
        "user": "u-theirs",
        "message": message,
        "event": message,
        "profile": to_global("Profile", one),
        "listened": to_global("Profile", one),
        "other": to_global("Profile", other),
        "segment": to_global("Segment", segment),
        "letter": to_global("DeadLetter", str(letter)),
        "candidate": to_global("MatchCandidate", candidate),
        "request": asked["openPrivacyRequest"]["request"]["id"],
    }
    merge = f'profileId: $profile, otherProfileId: $other, reason: "{CANARY} says so"'
    await api.data(
        f"mutation ($profile: ID!, $other: ID!) {{ mergeProfiles(input: {{{merge}}}) {{ __typename }} }}",
        **used(merge, ids),
    )
    [claim] = (await api.data("{ identityClaims(first: 1) { id } }"))["identityClaims"]
    return {**ids, "claim": claim["id"]}


async def _bury(seeds: Seeds) -> int:
    event = ProtectedEvent(
        workspace=seeds.workspace,
        message_id="m-buried",
        subject=seeds.workspace,
        type=CallType.TRACK,
        name="product_view",
        at=utc_now(),
        received_at=utc_now(),
        aliases=(),
        purposes=(),
        properties={"note": "words"},
    )
    row: int = await seeds.connection.fetchval(
        """
        INSERT INTO dead_letter (workspace_id, topic, partition, "offset", reason, value, at)
        VALUES ($1, 'tagway.events', $2, 1, $3, $4, now()) RETURNING id
        """,
        *(seeds.workspace, seeds.workspace.int % 2**30, f"{CANARY} broke it", encode_event(event)),
    )
    return row


def test_every_root_field_has_a_case() -> None:
    for type_, cases in (
        (SCHEMA.query_type, QUERIES),
        (SCHEMA.mutation_type, MUTATIONS),
        (SCHEMA.subscription_type, SUBSCRIPTIONS),
    ):
        assert type_ is not None
        assert roots(type_) == cases.keys()


async def test_what_is_theirs_is_shown_to_them_and_to_nobody_else(api: Api, theirs: Theirs) -> None:
    asked = {name: document("query", name, arguments) for name, arguments in QUERIES.items()}
    variables = {name: used(arguments, theirs.ids) for name, arguments in QUERIES.items()}
    own = {name: await theirs.api.run(asked[name], **variables[name]) for name in QUERIES}
    assert [name for name, answer in own.items() if not _was_run(answer)] == []
    assert {name for name in FOUND if not _found(own[name], name)} == set()
    assert {name for name in SHOWN if CANARY not in _text(own[name])} == set()

    before = await theirs.rows()
    for name in QUERIES:
        answer = await api.run(asked[name], **variables[name])
        assert _was_run(answer), (name, answer.errors)
        assert not _betrays(answer, theirs), name
        assert name not in FOUND or not _found(answer, name), name
    assert _changed(before, await theirs.rows()) == set()


@pytest.mark.parametrize("name", MUTATIONS)
async def test_nothing_of_theirs_is_changed(api: Api, theirs: Theirs, name: str) -> None:
    arguments, before = MUTATIONS[name], await theirs.rows()
    asked = document("mutation", name, arguments if name.startswith("cdp.") else f"input: {{{arguments}}}")
    answer = await api.run(asked, **used(arguments, theirs.ids))
    assert _was_run(answer), answer.errors
    assert not _betrays(answer, theirs)
    assert _changed(before, await theirs.rows()) == set()


async def test_nobody_hears_of_theirs(api: Api, theirs: Theirs) -> None:
    arguments = SUBSCRIPTIONS["segmentChanges"]
    variables = used(arguments, theirs.ids)
    mine = await api.subscribe(document("subscription", "segmentChanges", arguments), **variables)
    everyone = await api.subscribe(document("subscription", "segmentChanges", ""))
    feeds = [
        await api.subscribe(
            document("subscription", name, SUBSCRIPTIONS[name]), **used(SUBSCRIPTIONS[name], theirs.ids)
        )
        for name in ("eventFeed", "cdp_eventListener", "cdp_profileListener")
    ]
    own = await theirs.api.subscribe(document("subscription", "segmentChanges", ""))
    for story in (mine, everyone, own):
        told = await story.until("SNAPSHOT_END", within=60)
        assert len(told) == 1
    late = await theirs.seeds.profile(user_id="u-late")
    await theirs.seeds.happen(late, "theirs")
    assert (await own.until("ENTERED", within=60))[-1]["kind"] == "ENTERED"
    for story in (mine, everyone, *feeds):
        assert await story.is_silent()


def _found(answer: Any, name: str) -> Any:
    found = answer.data
    for part in name.split("."):
        found = (found or {}).get(part)
    return found


def _text(answer: Any) -> str:
    return json.dumps([answer.data, [error.formatted for error in answer.errors or ()]], default=str)


@pytest.mark.parametrize("name", ["profileChanges", "recommendationUpdates"])
async def test_nobody_is_shown_what_theirs_is_like(api: Api, theirs: Theirs, name: str) -> None:
    arguments = SUBSCRIPTIONS[name]
    asked, variables = document("subscription", name, arguments), used(arguments, theirs.ids)
    answers = []
    for each in (theirs.api, api):
        story = await each.subscribe(asked, **variables)
        async with asyncio.timeout(60):
            answers.append(await anext(story._stream))
        await story.close()
    own, other = answers
    assert name != "profileChanges" or CANARY in _text(own)
    assert _was_run(other)
    assert not _betrays(other, theirs)


def _was_run(answer: Any) -> bool:
    """Tell whether it came as far as a resolver, and was not refused as a document."""
    return not isinstance(answer, PreExecutionError)


def _betrays(answer: Any, theirs: Theirs) -> bool:
    """Look for what is theirs in an answer, in plain and inside of ids."""
    text = _text(answer)
    workspace: UUID = theirs.seeds.workspace
    inside = base64.b64encode(str(workspace).encode()).decode()[:-4]
    return any(each in text for each in (CANARY, str(workspace), inside))


def _changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {table for table in before if before[table] != after[table]}


def test_what_is_asked_names_no_canary() -> None:
    asked = msgspec.json.encode([QUERIES, MUTATIONS, SUBSCRIPTIONS, DEFINITION])
    assert CANARY.encode() not in asked
