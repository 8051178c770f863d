"""`tagway workspaces`: list and create workspaces, to which everything else belongs."""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from domain.clock import utc_now
from domain.errors import Refused
from gateway.cli.data import find_stores
from gateway.cli.workspace import make_workspace
from gateway.provider import open_provider
from gateway.settings import Settings, SettingsError, read_settings
from privacy.plan import default_document, read_plan
from stores.postgres import Database
from stores.workspaces import find_workspace, list_workspaces

app = typer.Typer(no_args_is_help=True, help="List and create workspaces.")

Plan = Annotated[Path | None, typer.Option("--plan", help="Its tracking plan, a JSON file; else the default one.")]


@app.command("list")
def list_() -> None:
    """List the workspaces."""
    asyncio.run(_list(_settings()))


@app.command()
def create(name: str, plan: Plan = None) -> None:
    """Make a workspace and print its id. Its keys are made by `tagway keys create --workspace NAME`."""
    settings = _settings()
    asyncio.run(_create(settings, name, default_document() if plan is None else _read(plan)))


def _settings() -> Settings:
    settings = find_stores(read_settings())
    settings.needs("postgres_url")
    return settings


def _read(path: Path) -> dict[str, object]:
    """Read a plan's file. Raises `SettingsError`, and `Refused` with the place that is wrong."""
    try:
        document = msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{path.name} is not a JSON object: {error}") from None
    read_plan(document)
    return document


async def _list(settings: Settings) -> None:
    database = await Database.open(str(settings.postgres_url), role="worker", max_size=1)
    try:
        async with database.across() as connection:
            found = await list_workspaces(connection)
    finally:
        await database.close()
    table = Table(Column("id", no_wrap=True, min_width=36), "name", "plan version", box=None)
    for workspace in found:
        table.add_row(str(workspace.id), workspace.name, str(workspace.plan_version))
    Console().print(table)


async def _create(settings: Settings, name: str, plan: dict[str, object]) -> None:
    database = await Database.open(str(settings.postgres_url), role="worker", max_size=1)
    try:
        async with open_provider(settings) as provider, database.across() as connection, connection.transaction():
            if await find_workspace(connection, name) is not None:
                raise Refused(f"there is a workspace named {name} already", code="conflict")
            print(await make_workspace(connection, provider, name, plan, utc_now()))
    finally:
        await database.close()
