"""`tagway segments`: what there is, and the ready-made ones."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from domain.clock import utc_now
from domain.errors import Refused
from gateway.cli.data import find_stores
from gateway.cli.workspace import DEV, WorkspaceName, open_workspace
from gateway.database import open_database
from gateway.settings import read_settings
from profiles.segments.definition import parse_definition
from profiles.segments.templates import TEMPLATES, Template, as_json
from profiles.segments.text import as_text
from profiles.segments.words import parse_text
from stores import definitions
from stores.definitions import Draft
from stores.postgres import Database
from stores.reads import segments
from stores.reads.segments import SegmentRow

app = typer.Typer(no_args_is_help=True, help="Segments: what there is, ready-made ones, and definitions to check.")

_MOST = 1_000


@app.command("list")
def list_(workspace: WorkspaceName = DEV) -> None:
    """List the segments of a workspace with their status."""
    table = Table(
        "key", "version", "status", Column("members", justify="right"), Column("rule", overflow="fold"), box=None
    )
    for row, size in asyncio.run(_list(workspace)):
        try:
            rule = as_text(parse_definition(row.definition))
        except Refused:
            rule = "cannot be read"
        table.add_row(row.key, str(row.version), row.error or row.status.value, str(size), rule)
    Console().print(table)


@app.command()
def templates() -> None:
    """List the ready-made segments."""
    table = Table("key", Column("holds", overflow="fold"), Column("rule", overflow="fold"), box=None)
    for each in TEMPLATES:
        table.add_row(each.key, each.description, each.text)
    Console().print(table)


@app.command()
def add(
    template: Annotated[str, typer.Argument(help="Key of a ready-made segment: see `tagway segments templates`.")],
    workspace: WorkspaceName = DEV,
) -> None:
    """Make a ready-made segment in a workspace."""
    found = next((each for each in TEMPLATES if each.key == template), None)
    if found is None:
        raise Refused(f"there is no template {template}: see `tagway segments templates`", code="not_found")
    asyncio.run(_add(found, workspace))
    print(f"{found.key} is being built")


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A definition, as JSON or in words.")]) -> None:
    """Check a definition, and print it in its other form."""
    written = file.read_text()
    if written.lstrip().startswith("{"):
        try:
            raw = msgspec.json.decode(written)
        except msgspec.DecodeError as error:
            raise Refused(f"{file}: not JSON: {error}", code="invalid_definition") from None
        print(as_text(parse_definition(raw)))
    else:
        print(msgspec.json.format(msgspec.json.encode(as_json(parse_text(written)))).decode())


async def _list(name: str) -> list[tuple[SegmentRow, int]]:
    workspace = await _workspace(name)
    async with _database() as database, database.workspace(workspace) as connection:
        rows = await segments.page(connection, _MOST, None)
        sizes = await segments.sizes(connection, [row.id for row in rows])
    return [(row, sizes.get(row.id, 0)) for row in rows]


async def _add(template: Template, name: str) -> None:
    workspace = await _workspace(name)
    async with _database() as database, database.workspace(workspace) as connection, connection.transaction():
        if await definitions.find_for_update(connection, template.key):
            raise Refused(f"there is a segment {template.key} already", code="conflict")
        draft = Draft(template.key, template.name, template.description, template.document)
        await definitions.create(connection, uuid4(), draft, utc_now())
        await definitions.announce(connection, workspace)


async def _workspace(name: str) -> UUID:
    async with open_workspace(name) as (_, workspace):
        return workspace


def _database() -> AbstractAsyncContextManager[Database]:
    return open_database(find_stores(read_settings()), role="app", connections=1)
