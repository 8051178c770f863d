"""The key of the blind indexes, rotated: people are found, and nobody becomes two, at every step of it."""

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest

from domain.alias import Alias, AliasKind
from domain.rotation import KeyUse
from gateway.rotation import index
from gateway.rotation.index import rotate_index
from gateway.rotation.job import Job
from gateway.workspace import Workspace
from privacy.keys import WorkspaceKeys
from privacy.pseudonym import aliases_for
from stores.reindex import CARRIED, IndexTable
from tests.fixtures.gateway import Gateway, event
from tests.gateway.rotation.conftest import View, start_rotation
from tests.patience import AT_ALL

Refresh = Callable[[], Awaitable[WorkspaceKeys]]
MakeView = Callable[[], Awaitable[View]]
MANY = 16_000
STEPS = ("bring_in", "copy", "put_in_force", "clear")


async def states(gateway: Gateway) -> list[str]:
    rows = await gateway.sql(
        "SELECT state FROM workspace_key WHERE workspace_id = $1 AND use = 'index' ORDER BY version",
        gateway.tenant.workspace,
    )
    return [row["state"] for row in rows]


async def counts(gateway: Gateway, table: IndexTable = IndexTable.ALIAS) -> dict[int, int]:
    rows = await gateway.sql(
        f"SELECT version, count(*) FROM {table} WHERE workspace_id = $1 GROUP BY version", gateway.tenant.workspace
    )
    return dict(map(tuple, rows))


async def advance(job: Job, workspace: Any, step: str) -> None:
    """Take a rotation one step further, as `rotate_index` does."""
    keys = await job.keys(workspace)
    match step:
        case "bring_in":
            await job.bring_in(workspace, KeyUse.INDEX)
        case "copy":
            await index._copy_all(job, keys)
        case "put_in_force":
            assert await index._put_in_force(job, keys)
        case "clear":
            await index._clear(job, keys, 1)
            await job.retire(workspace, KeyUse.INDEX, 1)


def identifier(name: str, keys: WorkspaceKeys) -> Alias:
    return keys.alias(AliasKind.USER_ID, sha256(name.encode()).digest())


async def enrol(view: View, workspace: Workspace, name: str) -> Any:
    """Do what collection does: look the person up, and enrol them when they are not known."""
    _, subjects = view
    alias = identifier(name, workspace.keys)
    found = (await subjects.look_up(workspace, [alias])).subjects
    return (found or await subjects.enrol(workspace, [alias]))[alias].id


async def erase(gateway: Gateway, *aliases: Alias) -> None:
    """Suppress aliases and remove their people, as an erasure does."""
    await gateway.sql(
        """
        INSERT INTO suppression (workspace_id, kind, version, index, reason, since)
        SELECT $1, *, 'erasure', now() FROM unnest($2::text[], $3::smallint[], $4::bytea[])
        """,
        gateway.tenant.workspace,
        [alias.kind for alias in aliases],
        [alias.version for alias in aliases],
        [alias.index for alias in aliases],
    )
    await gateway.sql(
        """
        DELETE FROM subject WHERE workspace_id = $1 AND id IN (
            SELECT subject_id FROM alias WHERE workspace_id = $1 AND index = ANY($2::bytea[]))
        """,
        gateway.tenant.workspace,
        [alias.index for alias in aliases],
    )


async def test_everybody_is_found_and_nobody_is_made_anew(gateway: Gateway, job: Job, refresh: Refresh) -> None:
    people = [event(userId=f"u{number}", anonymousId=f"a{number}", messageId=None) for number in range(30)]
    await gateway.batch(*({**each, "messageId": str(uuid4())} for each in people))
    before = [each.subject for each in await gateway.logged()]
    await rotate_index(job, [gateway.tenant.workspace])
    assert await states(gateway) == ["retired", "active"]
    assert await counts(gateway) == {2: 30}
    await refresh()
    await gateway.batch(*({**each, "messageId": str(uuid4())} for each in people))
    logged = await gateway.logged()
    assert [each.subject for each in logged] == before * 2
    assert {alias.version for each in logged[30:] for alias in each.aliases} == {2}
    await rotate_index(job, [gateway.tenant.workspace])
    assert await counts(gateway) == {3: 30}


async def test_who_was_erased_stays_forgotten(gateway: Gateway, job: Job, refresh: Refresh) -> None:
    await gateway.batch(event(userId="gone"), event(userId="here"))
    keys = (await gateway.resources.workspaces.get(gateway.tenant.workspace)).keys
    await erase(gateway, *aliases_for(AliasKind.USER_ID, "gone", keys))
    for _ in range(2):
        await rotate_index(job, [gateway.tenant.workspace])
        await refresh()
        gone, here = await gateway.batch(event(userId="gone"), event(userId="here"))
        assert (gone["outcome"], here["outcome"]) == ("dropped_suppressed", "accepted")
    assert await counts(gateway, IndexTable.SUPPRESSION) == {3: 1}


async def test_an_erasure_that_the_copy_has_missed_keeps_the_new_index_from_taking_over(
    gateway: Gateway, job: Job
) -> None:
    workspace = gateway.tenant.workspace
    await gateway.batch(event(userId="gone"))
    keys = (await gateway.resources.workspaces.get(workspace)).keys
    (alias,) = aliases_for(AliasKind.USER_ID, "gone", keys)
    for step in ("bring_in", "copy"):
        await advance(job, workspace, step)
    await erase(gateway, alias)
    assert not await index._put_in_force(job, await job.keys(workspace))
    assert await states(gateway) == ["active", "coming"]
    for step in ("copy", "put_in_force", "clear"):
        await advance(job, workspace, step)
    assert await counts(gateway, IndexTable.SUPPRESSION) == {2: 1}


@pytest.mark.parametrize("steps", range(1, len(STEPS) + 1))
async def test_gateways_that_know_of_different_steps_agree_on_everybody(
    gateway: Gateway, job: Job, make_view: MakeView, steps: int
) -> None:
    """One gateway lags a step behind; both meet old acquaintances and race for newcomers."""
    id_ = gateway.tenant.workspace
    first = await make_view()
    known = [await enrol(first, await first[0].get(id_), f"known{number}") for number in range(5)]
    for step in STEPS[: steps - 1]:
        await advance(job, id_, step)
    behind = await make_view()
    workspace_behind = await behind[0].get(id_)
    await advance(job, id_, STEPS[steps - 1])
    ahead = await make_view()
    workspace_ahead = await ahead[0].get(id_)
    views = [(behind, workspace_behind), (ahead, workspace_ahead)]
    names = [f"known{number}" for number in range(5)] + [f"new{number}" for number in range(10)]
    one, two = await asyncio.gather(
        *(asyncio.gather(*(enrol(view, workspace, name) for name in names)) for view, workspace in views)
    )
    assert one == two
    assert one[:5] == known
    assert len(await gateway.sql("SELECT FROM subject WHERE workspace_id = $1", id_)) == len(names)


async def test_whom_the_gateway_ahead_has_just_met_the_one_behind_finds(
    gateway: Gateway, job: Job, make_view: MakeView
) -> None:
    id_ = gateway.tenant.workspace
    for step in STEPS[:2]:
        await advance(job, id_, step)
    behind = await make_view()
    workspace_behind = await behind[0].get(id_)
    await advance(job, id_, "put_in_force")
    ahead = await make_view()
    met = await enrol(ahead, await ahead[0].get(id_), "new")
    alias = identifier("new", workspace_behind.keys)
    assert alias.version == 1
    assert (await behind[1].look_up(workspace_behind, [alias])).subjects[alias].id == met


@pytest.mark.parametrize("steps", range(len(STEPS) + 1))
async def test_a_lookup_finds_people_at_every_step(gateway: Gateway, job: Job, refresh: Refresh, steps: int) -> None:
    await gateway.batch(event(userId="u1"))
    for step in STEPS[:steps]:
        await advance(job, gateway.tenant.workspace, step)
    keys = await refresh()
    asked = keys.everywhere(aliases_for(AliasKind.USER_ID, "u1", keys))
    rows = await gateway.sql(
        "SELECT DISTINCT subject_id FROM alias WHERE workspace_id = $1 AND (version, index) IN "
        "(SELECT * FROM unnest($2::smallint[], $3::bytea[]))",
        gateway.tenant.workspace,
        [alias.version for alias in asked],
        [alias.index for alias in asked],
    )
    assert len(rows) == 1


async def test_every_column_of_the_tables_is_carried(gateway: Gateway) -> None:
    for table, carried in CARRIED.items():
        rows = await gateway.sql("SELECT column_name FROM information_schema.columns WHERE table_name = $1", table)
        assert {row[0] for row in rows} == {"workspace_id", "kind", "version", "index", *carried}


async def test_a_rotation_that_is_killed_goes_on_where_it_was(gateway: Gateway, job: Job) -> None:
    workspace = gateway.tenant.workspace
    await gateway.sql(
        """
        WITH made AS (
            INSERT INTO subject (workspace_id, id, profile_id, wrapped_key, created_at)
            SELECT $1, id, id, '', now() FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $2)) AS new
            RETURNING id
        )
        INSERT INTO alias (workspace_id, kind, version, index, subject_id, first_seen_at)
        SELECT $1, 'anonymous_id', 1, sha256(id::text::bytea), id, now() FROM made
        """,
        workspace,
        MANY,
    )
    process = await start_rotation("index", gateway)
    async with asyncio.timeout(AT_ALL):
        while 2 not in await counts(gateway):
            await asyncio.sleep(0.05)
    process.kill()
    await process.wait()
    assert 0 < (await counts(gateway))[2] < MANY
    assert await states(gateway) == ["active", "coming"]
    await rotate_index(job, [workspace])
    assert await counts(gateway) == {2: MANY}
    assert await states(gateway) == ["retired", "active"]


@pytest.mark.parametrize("last", ["none", *STEPS])
async def test_the_word_of_a_stranger_is_heard_whatever_step_the_gateway_has_missed(
    gateway: Gateway, job: Job, refresh: Refresh, last: str
) -> None:
    workspace = gateway.tenant.workspace
    await gateway.batch(event(userId="somebody"))
    steps = STEPS[: STEPS.index(last) + 1] if last in STEPS else ()
    for step in steps:
        await advance(job, workspace, step)
    query = """mutation { setConsent(input: {by: {externalId: "stranger"}, purposes: [
        {purpose: ANALYTICS, state: DENIED}, {purpose: PERSONALIZATION, state: DENIED},
        {purpose: ADVERTISING, state: DENIED}]}) { __typename } }"""
    bearer = {"Authorization": f"Bearer {gateway.tenant.secret_key}"}
    _, answer = await gateway.post("/graphql", {"query": query}, headers=bearer, key=None)
    assert answer["data"] == {"setConsent": {"__typename": "ConsentPayload"}}
    for step in STEPS[len(steps) :]:
        await advance(job, workspace, step)
    await refresh()
    (refused,) = await gateway.batch(event(userId="stranger"))
    assert refused["outcome"] == "dropped_consent"
