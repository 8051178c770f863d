"""`tagway keys`: list, create and revoke the keys of a workspace."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Column, Table

from domain.clock import utc_now
from domain.errors import Refused
from domain.key import KeyKind, Scope
from gateway.cli import rotation
from gateway.cli.workspace import DEV, WorkspaceName, open_workspace
from stores.keys import create_key, list_keys, revoke_key

app = typer.Typer(no_args_is_help=True, help="List, create and revoke keys.")
app.add_typer(rotation.app)


@app.command("list")
def list_(workspace: WorkspaceName = DEV) -> None:
    """List the keys in use. Their values are not kept and cannot be shown."""
    asyncio.run(_list(workspace))


@app.command()
def create(
    kind: KeyKind,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[list[Scope] | None, typer.Option(help="What a secret key may do; may be repeated.")] = None,
    origin: Annotated[list[str] | None, typer.Option(help="Who may use a write key; may be repeated.")] = None,
    workspace: WorkspaceName = DEV,
) -> None:
    """Make a key and print its value, this once."""
    if kind is KeyKind.SECRET and not scope:
        raise Refused("a secret key needs at least one --scope")
    asyncio.run(_create(workspace, kind, name, scope or [], origin or []))


@app.command()
def revoke(key: UUID, workspace: WorkspaceName = DEV) -> None:
    """Revoke a key by its id; gateways stop taking it within seconds."""
    asyncio.run(_revoke(workspace, key))


async def _list(name: str) -> None:
    async with open_workspace(name) as (connection, workspace):
        keys = await list_keys(connection, workspace)
    # A write key has origins, a secret key scopes: in one column, both stand whole on a narrow screen.
    columns = (Column("id", no_wrap=True, min_width=36), "kind", Column("name", overflow="fold"))
    table = Table(*columns, Column("scopes or origins", overflow="fold"), box=None, pad_edge=False)
    for key in keys:
        table.add_row(str(key.id), key.kind, key.name, "\n".join([*sorted(key.scopes), *key.origins]))
    Console().print(table)


async def _create(name: str, kind: KeyKind, label: str, scopes: list[Scope], origins: list[str]) -> None:
    async with open_workspace(name) as (connection, workspace):
        _, value = await create_key(connection, workspace, kind, label, scopes=scopes, origins=origins, at=utc_now())
    print(value)


async def _revoke(name: str, key: UUID) -> None:
    async with open_workspace(name) as (connection, workspace):
        revoked = await revoke_key(connection, workspace, key, utc_now())
    if not revoked:
        raise Refused("no such key is in use in this workspace", code="not_found")
    print("revoked")
