"""The key that wraps data keys, rotated: nobody's data stops opening, and no key is left behind."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from domain.alias import Alias, AliasKind
from domain.clock import utc_now
from domain.errors import Refused
from domain.rotation import KeyUse
from gateway.rotation.job import Job
from gateway.rotation.wrap import destroy_retired, rotate_wrap
from privacy.keys import WorkspaceKeys
from privacy.wrapping import UnknownEpoch, epoch_header
from tests.fixtures.gateway import Gateway, event
from tests.gateway.rotation.conftest import View, start_rotation
from tests.patience import AT_ALL

Refresh = Callable[[], Awaitable[WorkspaceKeys]]
MANY = 20_000


async def states(gateway: Gateway, use: KeyUse = KeyUse.WRAP) -> list[str]:
    rows = await gateway.sql(
        "SELECT state FROM workspace_key WHERE workspace_id = $1 AND use = $2 ORDER BY version",
        gateway.tenant.workspace,
        use,
    )
    return [row["state"] for row in rows]


async def wrapped(gateway: Gateway) -> list[bytes]:
    rows = await gateway.sql("SELECT wrapped_key FROM subject WHERE workspace_id = $1", gateway.tenant.workspace)
    return [row["wrapped_key"] for row in rows]


async def add_people(gateway: Gateway, many: int) -> None:
    """Store people whose data keys are all the same, which a rotation does not mind."""
    keys = (await gateway.resources.workspaces.get(gateway.tenant.workspace)).keys
    await gateway.sql(
        """
        INSERT INTO subject (workspace_id, id, profile_id, wrapped_key, created_at)
        SELECT $1, id, id, $2, now() FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $3)) AS made
        """,
        gateway.tenant.workspace,
        keys.new_wrapped_key(),
        many,
    )


async def test_every_data_key_is_wrapped_anew_and_opens_what_it_sealed(
    gateway: Gateway, job: Job, refresh: Refresh
) -> None:
    workspace = gateway.tenant.workspace
    await gateway.batch(*(event(userId=f"u{number}", type="identify", traits={}) for number in range(20)))
    await rotate_wrap(job, [workspace])
    assert await states(gateway) == ["retired", "active"]
    keys = await refresh()
    assert {each[:3] for each in await wrapped(gateway)} == {epoch_header(2)}
    rows = await gateway.sql("SELECT id, wrapped_key FROM subject WHERE workspace_id = $1", workspace)
    data_keys = dict(map(tuple, rows))
    for each in await gateway.logged():
        assert keys.sealer(each.subject, data_keys[each.subject]).open("user_id", each.sealed["user_id"])
    await rotate_wrap(job, [workspace])
    assert await states(gateway) == ["retired", "retired", "active"]
    assert {each[:3] for each in await wrapped(gateway)} == {epoch_header(3)}


async def test_a_gateway_that_has_not_heard_yet_enrols_nobody_under_the_old_key(
    gateway: Gateway, job: Job, make_view: Callable[[], Awaitable[View]]
) -> None:
    workspaces, subjects = await make_view()
    workspace = await workspaces.get(gateway.tenant.workspace)
    stale = workspace.keys.stamp
    await rotate_wrap(job, [workspace.id])
    assert workspace.keys.stamp == stale
    alias = Alias(AliasKind.USER_ID, 1, b"x" * 32)
    enrolled = await subjects.enrol(workspace, [alias])
    assert enrolled[alias].wrapped_key.startswith(epoch_header(2))
    assert workspace.keys.stamp > stale


async def test_what_another_gateway_has_cached_before_opens_meanwhile(
    gateway: Gateway, job: Job, refresh: Refresh
) -> None:
    await gateway.batch(event(userId="u1"))
    await rotate_wrap(job, [gateway.tenant.workspace])
    keys = await refresh()
    await gateway.batch(event(userId="u1"))
    before, after = await gateway.logged()
    assert before.subject == after.subject
    (data_key,) = await wrapped(gateway)
    assert keys.sealer(after.subject, data_key).open("user_id", after.sealed["user_id"]) == "u1"


async def test_the_key_is_destroyed_after_the_horizon_unless_it_derives_from_another(
    gateway: Gateway, job: Job, refresh: Refresh
) -> None:
    workspace = gateway.tenant.workspace
    await rotate_wrap(job, [workspace])
    old = (await refresh()).new_wrapped_key()
    await rotate_wrap(job, [workspace])
    assert await destroy_retired(job, [workspace], timedelta(0)) == {workspace: []}
    await gateway.sql(
        "UPDATE workspace_key SET changed_at = changed_at - interval '1 hour' WHERE workspace_id = $1", workspace
    )
    assert await destroy_retired(job, [workspace], timedelta(days=1)) == {workspace: []}
    assert await destroy_retired(job, [workspace], timedelta(minutes=30)) == {workspace: [2]}
    assert await states(gateway) == ["retired", "destroyed", "active"]
    with pytest.raises(UnknownEpoch):
        (await refresh()).rewrap(old)


async def test_a_data_key_that_does_not_open_stops_the_rotation_and_nothing_else(gateway: Gateway, job: Job) -> None:
    await gateway.batch(event(userId="u1"))
    (good,) = await wrapped(gateway)
    await gateway.sql("UPDATE subject SET wrapped_key = 'nonsense' WHERE workspace_id = $1", gateway.tenant.workspace)
    with pytest.raises(Refused, match="does not open"):
        await rotate_wrap(job, [gateway.tenant.workspace])
    assert await states(gateway) == ["leaving", "active"]
    await gateway.sql("UPDATE subject SET wrapped_key = $2 WHERE workspace_id = $1", gateway.tenant.workspace, good)
    await rotate_wrap(job, [gateway.tenant.workspace])
    assert await states(gateway) == ["retired", "active"]


async def test_a_person_whom_somebody_is_changing_is_waited_for(gateway: Gateway, job: Job) -> None:
    await gateway.batch(event(userId="u1"), event(userId="u2"))
    async with job.database.across() as connection:
        changing = connection.transaction()
        await changing.start()
        await connection.execute("SELECT FROM subject WHERE workspace_id = $1 FOR UPDATE", gateway.tenant.workspace)
        rotation = asyncio.create_task(rotate_wrap(job, [gateway.tenant.workspace]))
        async with asyncio.timeout(AT_ALL):
            while await states(gateway) != ["leaving", "active"]:
                await asyncio.sleep(0.01)
        assert not rotation.done()
        await changing.commit()
    await rotation
    assert {each[:3] for each in await wrapped(gateway)} == {epoch_header(2)}


async def test_two_rotations_at_once_are_one(gateway: Gateway, job: Job) -> None:
    await add_people(gateway, 5_000)
    await asyncio.gather(*(rotate_wrap(job, [gateway.tenant.workspace]) for _ in range(2)))
    assert await states(gateway) == ["retired", "active"]


async def test_a_rotation_that_is_killed_goes_on_where_it_was(gateway: Gateway, job: Job) -> None:
    await add_people(gateway, MANY)
    process = await start_rotation("wrap", gateway)
    moved = "SELECT count(*) FROM subject WHERE workspace_id = $1 AND substring(wrapped_key FOR 3) = $2"
    done = 0
    async with asyncio.timeout(AT_ALL):
        while not done:
            await asyncio.sleep(0.05)
            ((done,),) = await gateway.sql(moved, gateway.tenant.workspace, epoch_header(2))
    process.kill()
    await process.wait()
    ((done,),) = await gateway.sql(moved, gateway.tenant.workspace, epoch_header(2))
    assert 0 < done < MANY
    heard: list[tuple[str, int, int]] = []
    again = Job(job.database, job.provider, job.workspaces, utc_now, lambda *said: heard.append(said), job.settle)
    await rotate_wrap(again, [gateway.tenant.workspace])
    assert max(total for what, _, total in heard if "data keys" in what) == MANY - done
    assert await states(gateway) == ["retired", "active"]
    assert {each[:3] for each in await wrapped(gateway)} == {epoch_header(2)}
