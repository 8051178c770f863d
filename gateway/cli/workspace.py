"""Workspaces by name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

import typer

from domain.errors import Refused
from gateway.cli.data import find_stores
from gateway.database import open_database
from gateway.settings import read_settings
from stores.postgres import Connection
from stores.workspaces import find_workspace

DEV = "dev"

WorkspaceName = Annotated[str, typer.Option("--workspace", help="Name of the workspace.")]


@asynccontextmanager
async def open_workspace(name: str) -> AsyncIterator[tuple[Connection, UUID]]:
    """Lend a worker connection and the id of the workspace of this name. Raises `Refused`, `StoreUnavailable`."""
    async with (
        open_database(find_stores(read_settings()), connections=1) as database,
        database.across() as connection,
    ):
        yield connection, await named_workspace(connection, name)


async def named_workspace(connection: Connection, name: str) -> UUID:
    """Find the workspace of this name. Raises `Refused` (`not_found`)."""
    workspace = await find_workspace(connection, name)
    if workspace is None:
        raise no_workspace(name)
    return workspace


def no_workspace(name: str) -> Refused:
    """Say that a name is not that of a workspace."""
    return Refused(f"there is no workspace named {name}: see `tagway workspaces list`", code="not_found")
