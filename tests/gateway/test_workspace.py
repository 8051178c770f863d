"""Workspaces as a gateway remembers them."""

import gc
from uuid import UUID, uuid4

import jwt
import pytest

from domain.clock import utc_now
from domain.errors import Refused
from gateway.workspace import Workspaces
from privacy.keys import LocalMasterKey, new_key
from privacy.plan import default_document
from stores.postgres import Database
from stores.workspaces import create_workspace
from tests.fixtures.gateway import MASTER_KEY, Gateway


async def _ask(gateway: Gateway, workspace: UUID) -> None:
    """Ask in the ways that need no key: for a ledger's head, and with a token that nobody signed."""
    async with gateway.http.get(f"{gateway.url}/.well-known/tagway/ledger/{workspace}") as response:
        assert response.status == 404
    token = jwt.encode({"ws": str(workspace)}, "x" * 32, algorithm="HS256")
    async with gateway.http.post(
        f"{gateway.url}/recommend", json={}, headers={"Authorization": f"Bearer {token}"}
    ) as response:
        assert response.status == 401


async def test_nothing_stays_of_a_workspace_that_does_not_exist(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.workspace._STRANGERS_REMEMBERED", 3)
    workspaces = gateway.resources.workspaces
    known = set(workspaces._known)
    for _ in range(8):
        await _ask(gateway, uuid4())
    gc.collect()
    assert set(workspaces._known) == known
    assert len(workspaces._locks) == 0
    assert len(workspaces._strangers) == 3


async def test_who_is_unknown_is_asked_for_once_in_five_seconds(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, stranger = await Database.open(database_url, role="worker"), uuid4()
    workspaces = Workspaces(worker, LocalMasterKey(MASTER_KEY))
    with pytest.raises(Refused):
        await workspaces.get(stranger)
    async with worker.across() as connection:
        wrapped = await LocalMasterKey(MASTER_KEY).wrap(new_key())
        await create_workspace(connection, stranger, "late", wrapped_key=wrapped, plan=default_document(), at=utc_now())
    with pytest.raises(Refused):
        await workspaces.get(stranger)
    monkeypatch.setattr("gateway.workspace._FRESH_SECONDS", 0.0)
    assert (await workspaces.get(stranger)).id == stranger
    await worker.close()
