"""`tagway plan`: what the tracking plan of a workspace comes to, on paper."""

import asyncio
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from domain.errors import Refused
from domain.workspace import WorkspaceSettings
from gateway.cli.data import find_stores
from gateway.cli.workspace import DEV
from gateway.settings import read_settings
from privacy.plan import Plan, read_plan
from privacy.record import as_markdown, record_of_processing
from stores.places import PLACES, field_places
from stores.plans import read_plan as read_plan_document
from stores.postgres import Database
from stores.workspaces import find_workspace, read_workspace

app = typer.Typer(no_args_is_help=True, help="What the tracking plan comes to: the record of processing, and the map.")


class Format(StrEnum):
    """How to lay it out."""

    JSON = "json"
    MARKDOWN = "markdown"


class Map(StrEnum):
    """How to lay the map out."""

    TABLE = "table"
    JSON = "json"


WorkspaceName = Annotated[str, typer.Option("--workspace", help="Name of the workspace.")]


@app.command()
def record(
    workspace: WorkspaceName = DEV,
    format: Annotated[Format, typer.Option()] = Format.MARKDOWN,  # noqa: A002 - the option's name
) -> None:
    """Print the record of processing activities (GDPR, article 30)."""
    version, plan, settings = asyncio.run(_read(workspace))
    made = record_of_processing(plan, version, settings.controller)
    print(as_markdown(made) if format is Format.MARKDOWN else _json(made))


@app.command("map")
def map_(
    workspace: WorkspaceName = DEV,
    format: Annotated[Map, typer.Option()] = Map.TABLE,  # noqa: A002 - the option's name
) -> None:
    """Print where each field of a person lives, and which of their requests touches it."""
    _, plan, _ = asyncio.run(_read(workspace))
    fields = field_places(plan)
    if format is Map.JSON:
        print(_json({"places": PLACES, "fields": fields}))
        return
    console = Console()
    places = Table(Column("place", overflow="fold"), "holds", "sealed", "requests", "ends", box=None)
    for place in PLACES:
        places.add_row(place.name, place.holds, "yes" if place.sealed else "", ", ".join(place.requests), place.ends)
    console.print(places)
    table = Table(Column("field", overflow="fold"), "sealed", Column("lives in", overflow="fold"), box=None)
    for field in fields:
        table.add_row(field.field, "yes" if field.sealed else "", ", ".join(field.places))
    console.print(table)


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode()


async def _read(name: str) -> tuple[int, Plan, WorkspaceSettings]:
    settings = find_stores(read_settings())
    settings.needs("postgres_url")
    database = await Database.open(str(settings.postgres_url), role="worker", max_size=1)
    try:
        async with database.across() as connection:
            workspace = await find_workspace(connection, name)
            row = workspace and await read_workspace(connection, workspace)
            if not workspace or not row:
                raise Refused(f"there is no workspace named {name}: see `tagway workspaces`", code="not_found")
            document = await read_plan_document(connection, workspace, row.plan_version)
    finally:
        await database.close()
    return row.plan_version, read_plan(document), msgspec.convert(row.settings, WorkspaceSettings)
