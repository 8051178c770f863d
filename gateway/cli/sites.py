"""`tagway sites`: what the tag of each write key is told."""

import asyncio
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
import typer

from domain.clock import utc_now
from domain.errors import Refused
from domain.site import SiteSettings
from gateway.cli.workspace import DEV, WorkspaceName, open_workspace
from stores.sites import read_site, write_site
from tag_sdk.files import part_hashes

app = typer.Typer(no_args_is_help=True, help="Show and set what the tag of a write key is told.")

Key = Annotated[UUID, typer.Argument(help="Id of the write key, as `tagway keys list` shows it.")]


@app.command()
def show(key: Key, workspace: WorkspaceName = DEV) -> None:
    """Print the settings of a site as JSON."""
    print(msgspec.json.format(msgspec.json.encode(asyncio.run(_show(workspace, key)))).decode())


@app.command("set")
def set_(
    key: Key,
    file: Annotated[Path, typer.Argument(help="JSON in the words of the tag's settings.", exists=True, dir_okay=False)],
    workspace: WorkspaceName = DEV,
) -> None:
    """Set the settings of a site, in place of those before."""
    asyncio.run(_set(workspace, key, read_settings_file(file.read_bytes())))
    print("set: browsers see it within five minutes")


def read_settings_file(text: bytes) -> SiteSettings:
    """Read a site's settings. Raises `Refused` naming the place that is at fault."""
    try:
        settings = msgspec.json.decode(text, type=SiteSettings)
    except msgspec.DecodeError as error:
        raise Refused(str(error)) from error
    for folder, named in (("consent", settings.consent_from), ("extras", settings.extras)):
        known = {name.partition("/")[2] for name in part_hashes() if name.startswith(folder)}
        if unknown := set(named) - known:
            raise Refused(f"{', '.join(sorted(unknown))}: not one of {', '.join(sorted(known))}")
    return settings


async def _show(name: str, key: UUID) -> SiteSettings:
    async with open_workspace(name) as (connection, workspace):
        return await read_site(connection, workspace, key)


async def _set(name: str, key: UUID, settings: SiteSettings) -> None:
    async with open_workspace(name) as (connection, workspace):
        written = await write_site(connection, workspace, key, settings, utc_now())
    if not written:
        raise Refused("no such write key is in use in this workspace", code="not_found")
