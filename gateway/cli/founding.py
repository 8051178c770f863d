"""New workspaces; the development workspace, made once, and the keys that try it out."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat

from domain.key import KeyKind, Scope
from domain.rotation import KeyUse
from gateway.cli.data import DevKeys
from gateway.cli.workspace import DEV
from gateway.settings import SettingsError
from privacy.keys import KeyProvider, new_key
from privacy.plan import default_document
from privacy.sealing import Unreadable
from stores.keys import create_key, find_key
from stores.postgres import Connection, Database
from stores.workspace_keys import add_first_versions
from stores.workspaces import create_workspace, find_workspace, read_workspace


async def make_workspace(
    connection: Connection, provider: KeyProvider, name: str, plan: Mapping[str, Any], at: datetime
) -> UUID:
    """Store a new workspace with keys of its own and its first tracking plan, and return its id.

    Runs inside the caller's transaction.
    """
    workspace = uuid_utils.compat.uuid7()
    wrapped = await provider.wrap(new_key())
    await create_workspace(connection, workspace, name, wrapped_key=wrapped, plan=plan, at=at)
    # Keys that derive from no other, so that they can be destroyed one day.
    first = [(use, await provider.wrap(new_key())) for use in KeyUse]
    await add_first_versions(connection, workspace, first, at)
    return workspace


async def ensure_dev_keys(database: Database, provider: KeyProvider, kept: Iterable[DevKeys], at: datetime) -> DevKeys:
    """Return working keys of the development workspace: the first of those kept from earlier runs, else new ones.

    `database` is of the worker role. Raises `StoreUnavailable`, and `SettingsError` when the workspace was sealed under
    another master key.
    """
    async with database.across() as connection, connection.transaction():
        workspace = await find_workspace(connection, DEV)
        if workspace is None:
            workspace = await make_workspace(connection, provider, DEV, default_document(), at)
        else:
            await _require_same_master_key(connection, workspace, provider)
        for keys in kept:
            if await _work(connection, workspace, keys):
                return keys
        _, write_key = await create_key(connection, workspace, KeyKind.WRITE, "development", at=at)
        _, secret_key = await create_key(connection, workspace, KeyKind.SECRET, "development", scopes=Scope, at=at)
    return DevKeys(str(workspace), write_key, secret_key)


async def _require_same_master_key(connection: Connection, workspace: UUID, provider: KeyProvider) -> None:
    row = await read_workspace(connection, workspace)
    try:
        await provider.unwrap(row.wrapped_key if row else b"")
    except Unreadable:
        raise SettingsError("this data was sealed under another master key: set that one") from None


async def _work(connection: Connection, workspace: UUID, keys: DevKeys) -> bool:
    found = [await find_key(connection, value) for value in (keys.write_key, keys.secret_key)]
    return keys.workspace == str(workspace) and all(key is not None and key.workspace == workspace for key in found)
