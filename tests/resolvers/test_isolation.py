"""Every query, mutation and subscription, asked by one workspace for what is another's: nothing is told or changed.

A root field without a case here fails.
"""

import asyncio
import base64
import json
from typing import Any
from uuid import UUID

import msgspec
import pytest
from strawberry.types.execution import PreExecutionError

from tests.fixtures.graphql import Api
from tests.fixtures.seeds import DEFINITION
from tests.fixtures.theirs import CANARY, Theirs
from tests.resolvers.root_fields import (
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
