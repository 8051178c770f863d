"""`tagway keys rotate-…`: replace a workspace's keys, or the master key, while everything runs."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from domain.clock import utc_now
from domain.errors import Refused
from domain.rotation import KeyUse
from gateway.cli.data import find_stores
from gateway.provider import open_current, open_provider
from gateway.rotation.index import rotate_index
from gateway.rotation.job import LANES, Job, Report, target_of
from gateway.rotation.master import rotate_master
from gateway.rotation.wrap import destroy_retired, rotate_wrap
from gateway.settings import Settings, read_settings
from gateway.workspace import Workspaces
from privacy.wrapping import epoch_header
from stores.postgres import Connection, Database
from stores.reindex import IndexTable, count_indexes
from stores.rewrap import count_wrapped_otherwise
from stores.workspace_keys import StoredKey, read_versions
from stores.workspaces import list_workspaces

app = typer.Typer()

ALL: Final = "all"
_LEAST_SETTLE: Final = 6
"""Seconds: a process looks for newer keys every five."""

Workspace = Annotated[str, typer.Option("--workspace", help="Name of the workspace, or `all`.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
Settle = Annotated[int, typer.Option(min=_LEAST_SETTLE, help="Seconds to let every process learn of a change.")]
DestroyOld = Annotated[
    bool, typer.Option("--destroy-old", help="Then destroy the keys that were retired before the horizon.")
]
Horizon = Annotated[int, typer.Option(min=0, help="Days that the oldest backup goes back.")]


@app.command("versions")
def versions(workspace: Workspace = ALL) -> None:
    """List the versions of the keys that wrap data keys and make blind indexes, and where each stands."""
    asyncio.run(_versions(workspace))


@app.command("rotate-kek")
def rotate_kek(
    workspace: Workspace = ALL,
    *,
    dry_run: DryRun = False,
    settle: Settle = 15,
    destroy_old: DestroyOld = False,
    horizon: Horizon = 35,
) -> None:
    """Wrap every person's data key under a new key. Stop it and run it again as you like: it goes on."""
    if dry_run:
        asyncio.run(_foretell(workspace, KeyUse.WRAP))
    else:
        asyncio.run(_rotate_kek(workspace, settle, timedelta(days=horizon) if destroy_old else None))


@app.command("rotate-index")
def rotate_index_(workspace: Workspace = ALL, *, dry_run: DryRun = False, settle: Settle = 15) -> None:
    """Bring every blind index to a new key, those of erased people too. Stop it and run it again as you like."""
    if dry_run:
        asyncio.run(_foretell(workspace, KeyUse.INDEX))
    else:
        asyncio.run(_rotate_index(workspace, settle))


@app.command("rotate-master")
def rotate_master_() -> None:
    """Wrap the workspaces' keys under a new master key; the old one is named by TAGWAY_PREVIOUS_MASTER_KEY."""
    asyncio.run(_rotate_master())


async def _versions(name: str) -> None:
    table = Table("workspace", "use", "version", "state", "since", box=None, pad_edge=False)
    async with _database() as (_, database), database.across() as connection:
        for label, workspace in await _chosen(connection, name):
            for each in await read_versions(connection, workspace):
                since = each.changed_at.isoformat(" ", "seconds") if each.changed_at else ""
                table.add_row(label, each.use, str(each.version), each.state, since)
    Console().print(table)


async def _foretell(name: str, use: KeyUse) -> None:
    table = Table("workspace", "from version", "to version", "rows to move", box=None, pad_edge=False)
    async with _database() as (_, database), database.across() as connection:
        for label, workspace in await _chosen(connection, name):
            stored = [each for each in await read_versions(connection, workspace) if each.use is use]
            target = target_of(stored)
            rows = await _rows_to_move(connection, workspace, use, stored, target)
            table.add_row(label, str(target - 1), str(target), f"{rows:,}")
    Console().print(table)
    print("nothing was changed")


async def _rows_to_move(
    connection: Connection, workspace: UUID, use: KeyUse, stored: list[StoredKey], target: int
) -> int:
    if use is KeyUse.WRAP:
        return await count_wrapped_otherwise(connection, workspace, epoch_header(target))
    before = max(1, min(target - 1, stored[-1].version))
    return sum([await count_indexes(connection, workspace, table, before) for table in IndexTable])


async def _rotate_kek(name: str, settle: int, horizon: timedelta | None) -> None:
    async with _job(settle) as job:
        workspaces = await _workspaces(job.database, name)
        await rotate_wrap(job, list(workspaces))
        destroyed = await destroy_retired(job, list(workspaces), horizon) if horizon is not None else {}
    print(f"{len(workspaces)} workspaces rotated; every data key is under the new key")
    for workspace, gone in destroyed.items():
        for version in gone:
            print(f"{workspaces[workspace]}: version {version} is destroyed")


async def _rotate_index(name: str, settle: int) -> None:
    async with _job(settle) as job:
        workspaces = await _workspaces(job.database, name)
        await rotate_index(job, list(workspaces))
    print(f"{len(workspaces)} workspaces rotated; every index is under the new key")


async def _rotate_master() -> None:
    async with _database() as (settings, database):
        if settings.read_previous_master_key() is None:
            raise Refused("name the old key in TAGWAY_PREVIOUS_MASTER_KEY or TAGWAY_PREVIOUS_MASTER_KEY_FILE")
        async with open_provider(settings) as both, open_current(settings) as current:
            with _shown() as report:
                moved = await rotate_master(database, both, current, report)
    print(f"{moved} keys wrapped anew; nothing is under the previous master key any more")


async def _chosen(connection: Connection, name: str) -> list[tuple[str, UUID]]:
    """List the workspaces meant, with their names. Raises `Refused` when there is none."""
    found = [(each.name, each.id) for each in await list_workspaces(connection) if name in (ALL, each.name)]
    if not found and name != ALL:
        raise Refused(f"there is no workspace named {name}: see `tagway workspaces`", code="not_found")
    return found


async def _workspaces(database: Database, name: str) -> dict[UUID, str]:
    async with database.across() as connection:
        return {workspace: label for label, workspace in await _chosen(connection, name)}


@asynccontextmanager
async def _database() -> AsyncIterator[tuple[Settings, Database]]:
    settings = find_stores(read_settings())
    settings.needs("postgres_url")
    database = await Database.open(str(settings.postgres_url), role="worker", max_size=LANES + 1)
    try:
        yield settings, database
    finally:
        await database.close()


@asynccontextmanager
async def _job(settle: int) -> AsyncIterator[Job]:
    async with _database() as (settings, database), open_provider(settings) as provider:
        with _shown() as report:
            workspaces = Workspaces(database, provider)
            yield Job(database, provider, workspaces, utc_now, report, timedelta(seconds=settle))


@contextmanager
def _shown() -> Iterator[Report]:
    """Show what is reported as bars, one per thing that is done, with its rate."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=total)
            progress.update(bars[what], completed=done, total=total)

        yield report


class _Rate(ProgressColumn):
    """Rows per second, over the whole of a task."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text(f"{rate:,.0f}/s" if rate else "")
