"""`tagway workspaces`: list, create and set up workspaces, to which everything else belongs."""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from domain.clock import utc_now
from domain.errors import Refused
from domain.workspace import WorkspaceSettings
from gateway.cli.data import find_stores
from gateway.cli.founding import make_workspace
from gateway.cli.workspace import named_workspace
from gateway.database import open_database
from gateway.provider import open_provider
from gateway.settings import Settings, SettingsError, read_settings
from privacy.plan import default_document, read_plan
from stores.workspaces import find_workspace, list_workspaces, save_settings
from stores.workspaces import read_settings as read_workspace_settings

app = typer.Typer(no_args_is_help=True, help="List, create and set up workspaces.")

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


@app.command("set")
def set_(
    name: str,
    smallest_count: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Counts of fewer people are hidden (k).")
    ] = None,
    controller: Annotated[str | None, typer.Option(help="Name of who answers for the data.")] = None,
    address: Annotated[str | None, typer.Option(help="Their address.")] = None,
    contact: Annotated[str | None, typer.Option(help="How to reach them.")] = None,
    representative: Annotated[str | None, typer.Option(help="Their representative in the Union.")] = None,
    protection_officer: Annotated[str | None, typer.Option(help="Their data protection officer.")] = None,
) -> None:
    """Change what is given of a workspace's settings, and print all of them."""
    told = {
        "name": controller,
        "address": address,
        "contact": contact,
        "representative": representative,
        "protection_officer": protection_officer,
    }
    changed = {part: text for part, text in told.items() if text is not None}
    asyncio.run(_set(_settings(), name, smallest_count, changed))


def _settings() -> Settings:
    return find_stores(read_settings())


def _read(path: Path) -> dict[str, object]:
    """Read a plan's file. Raises `SettingsError`, and `Refused` with the place that is wrong."""
    try:
        document = msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{path.name} is not a JSON object: {error}") from None
    read_plan(document)
    return document


async def _list(settings: Settings) -> None:
    async with open_database(settings, connections=1) as database, database.across() as connection:
        found = await list_workspaces(connection)
    table = Table(Column("id", no_wrap=True, min_width=36), "name", "plan version", box=None)
    for workspace in found:
        table.add_row(str(workspace.id), workspace.name, str(workspace.plan_version))
    Console().print(table)


async def _set(settings: Settings, name: str, smallest_count: int | None, told: dict[str, str]) -> None:
    try:
        async with (
            open_database(settings, connections=1) as database,
            database.across() as connection,
            connection.transaction(),
        ):
            workspace = await named_workspace(connection, name)
            kept = await read_workspace_settings(connection, workspace, to_change=True)
            given = msgspec.to_builtins(
                msgspec.structs.replace(
                    kept,
                    k_threshold=smallest_count or kept.k_threshold,
                    controller=msgspec.structs.replace(kept.controller, **told),
                )
            )
            msgspec.convert(given, WorkspaceSettings)
            for part, document in given.items():
                await save_settings(connection, workspace, part, document)
    except msgspec.ValidationError as error:
        raise Refused(str(error)) from None
    print(msgspec.json.format(msgspec.json.encode(given)).decode())


async def _create(settings: Settings, name: str, plan: dict[str, object]) -> None:
    async with (
        open_database(settings, connections=1) as database,
        open_provider(settings) as provider,
        database.across() as connection,
        connection.transaction(),
    ):
        if await find_workspace(connection, name) is not None:
            raise Refused(f"there is a workspace named {name} already", code="conflict")
        print(await make_workspace(connection, provider, name, plan, utc_now()))
