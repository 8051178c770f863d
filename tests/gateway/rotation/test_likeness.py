"""Filters of likeness and the key of the index: none under an old key is left, and none comes after."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from gateway.rotation.index import rotate_index
from gateway.rotation.job import Job
from privacy.keys import WorkspaceKeys
from tests.fixtures.gateway import Gateway
from tests.fixtures.office import Office, building, did, identify

ANN: dict[str, Any] = {"name": "Ann-Marie Muller", "birthday": "1980-02-29"}


async def filters(gateway: Gateway) -> dict[str, tuple[int, bytes]]:
    rows = await gateway.sql(
        "SELECT field, version, bits FROM likeness WHERE workspace_id = $1", gateway.tenant.workspace
    )
    return {row["field"]: (row["version"], row["bits"]) for row in rows}


async def seen(gateway: Gateway) -> list[Any]:
    return await gateway.sql("SELECT FROM message_seen WHERE workspace_id = $1", gateway.tenant.workspace)


@pytest.fixture
async def comparing(office: Office) -> Office:
    """A workspace that compares people."""
    settings = msgspec.json.encode({"identity": {"matching": True}}).decode()
    await office.gateway.sql(
        "UPDATE workspace SET settings = $1, definitions_version = definitions_version + 1 WHERE id = $2",
        settings,
        office.workspace,
    )
    office.gateway.resources.workspaces._known.clear()
    return office


async def test_none_is_left_under_the_old_key_and_the_next_statement_makes_them_anew(
    comparing: Office, gateway: Gateway, job: Job, refresh: Callable[[], Awaitable[WorkspaceKeys]]
) -> None:
    await comparing.tell(identify("ann", **ANN))
    before = await filters(gateway)
    assert {field: version for field, (version, _) in before.items()} == {"name": 1, "birth_date": 1}
    assert comparing.rest is not None
    await comparing.rest()
    await gateway.batch(identify("ann", **ANN))  # collected before, and built after
    await rotate_index(job, [comparing.workspace])
    assert await filters(gateway) == {}
    await refresh()
    async with building(comparing.settings):
        await comparing.tell(did("ann", "search"))
        assert len(await seen(gateway)) == 3
        assert await filters(gateway) == {}
        await comparing.tell(identify("ann", **ANN))
    after = await filters(gateway)
    assert {field: version for field, (version, _) in after.items()} == {"name": 2, "birth_date": 2}
    assert {bits for _, bits in before.values()}.isdisjoint({bits for _, bits in after.values()})
