"""What `tagway keys rotate-…` does, and shows meanwhile."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from domain.clock import utc_now
from domain.errors import Refused
from domain.rotation import KeyUse
from gateway.cli.data import find_stores
from gateway.cli.workspace import no_workspace
from gateway.database import open_database
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

ALL: Final = "all"


async def versions(name: str) -> None:
    """Show the versions of the keys of the workspaces meant."""
    table = Table("workspace", "use", "version", "state", "since", box=None, pad_edge=False)
    async with _database(find_stores(read_settings())) as database, database.across() as connection:
        for label, workspace in await _chosen(connection, name):
            for each in await read_versions(connection, workspace):
                since = each.changed_at.isoformat(" ", "seconds") if each.changed_at else ""
                table.add_row(label, each.use, str(each.version), each.state, since)
    Console().print(table)


async def foretell(name: str, use: KeyUse) -> None:
    """Show what a rotation would move."""
    table = Table("workspace", "from version", "to version", "rows to move", box=None, pad_edge=False)
    async with _database(find_stores(read_settings())) as database, database.across() as connection:
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


async def rotate_wrapping(name: str, settle: int, horizon: timedelta | None) -> None:
    """Bring every data key under a new key, and with a horizon destroy what was retired before it."""
    async with _job(settle) as job:
        workspaces = await _workspaces(job.database, name)
        await rotate_wrap(job, list(workspaces))
        destroyed = await destroy_retired(job, list(workspaces), horizon) if horizon is not None else {}
    print(f"{len(workspaces)} workspaces rotated; every data key is under the new key")
    for workspace, gone in destroyed.items():
        for version in gone:
            print(f"{workspaces[workspace]}: version {version} is destroyed")


async def rotate_indexes(name: str, settle: int) -> None:
    """Bring every blind index to a new key."""
    async with _job(settle) as job:
        workspaces = await _workspaces(job.database, name)
        await rotate_index(job, list(workspaces))
    print(f"{len(workspaces)} workspaces rotated; every index is under the new key")


async def rotate_masters() -> None:
    """Bring the workspaces' keys under a new master key. Raises `Refused` when the old one is not named."""
    settings = find_stores(read_settings())
    async with _database(settings) as database:
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
        raise no_workspace(name)
    return found


async def _workspaces(database: Database, name: str) -> dict[UUID, str]:
    async with database.across() as connection:
        return {workspace: label for label, workspace in await _chosen(connection, name)}


def _database(settings: Settings) -> AbstractAsyncContextManager[Database]:
    return open_database(settings, connections=LANES + 1)


@asynccontextmanager
async def _job(settle: int) -> AsyncIterator[Job]:
    settings = find_stores(read_settings())
    async with _database(settings) as database, open_provider(settings) as provider:
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
