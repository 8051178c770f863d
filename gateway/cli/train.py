"""`tagway train`: train now, or keep every workspace's model fresh."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import structlog
import typer
from rich.console import Console

from domain.clock import utc_now
from domain.errors import Refused, StoreUnavailable
from gateway.cli.data import find_stores
from gateway.cli.progress import Bar
from gateway.cli.workspace import DEV
from gateway.logs import configure_logs
from gateway.settings import Settings, read_settings
from stores.models import ModelRow
from stores.postgres import Database
from stores.workspaces import find_workspace, list_workspaces

if TYPE_CHECKING:  # numpy, scipy and surprise take a second to load, which no other command should wait for
    from learning.training import Trainer

_LOOK_EVERY = 5.0
_MODEST = 10

_log = structlog.get_logger(__name__)

Watch = Annotated[bool, typer.Option("--watch", help="Run on: gather items, train when it is time.")]
WorkspaceName = Annotated[str, typer.Option("--workspace", help="Name of the workspace to train now.")]


def train(workspace: WorkspaceName = DEV, watch: Watch = False) -> None:
    """Train the recommender from the stored events; publish it only if it beats popularity and the live one."""
    settings = find_stores(read_settings())
    asyncio.run(_watch(settings) if watch else _train(settings, workspace))


async def _train(settings: Settings, name: str) -> None:
    console = Console(highlight=False)
    async with _trainer(settings) as (database, trainer):
        async with database.across() as connection:
            workspace = await find_workspace(connection, name)
        if workspace is None:
            raise Refused(f"there is no workspace named {name}: see `tagway workspaces`", code="not_found")
        await trainer.gather(workspace)
        with Bar(console) as bar:
            row = await trainer.train(workspace, bar)
    console.print(_summary(row))


async def _watch(settings: Settings) -> None:
    configure_logs(level=settings.log_level)
    os.nice(_MODEST)  # serving comes first
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _trainer(settings) as (database, trainer):
        watching = asyncio.create_task(_keep_fresh(settings, database, trainer))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (watching, stopping):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _keep_fresh(settings: Settings, database: Database, trainer: "Trainer") -> None:
    every = timedelta(hours=settings.train_hours)
    while True:
        try:
            async with database.across() as connection:
                workspaces = await list_workspaces(connection)
            for workspace in workspaces:
                await trainer.gather(workspace.id)
                if await trainer.is_due(workspace.id, every, settings.train_events):
                    row = await trainer.train(workspace.id)
                    _log.info("trained", workspace=str(workspace.id), version=row.version, status=row.status)
        except StoreUnavailable as error:
            _log.warning("store_unavailable", problem=str(error))
        except Refused as error:
            _log.info("training_left_to_another", reason=str(error))
        await asyncio.sleep(_LOOK_EVERY)


@asynccontextmanager
async def _trainer(settings: Settings) -> "AsyncIterator[tuple[Database, Trainer]]":
    from learning.training import Trainer  # noqa: PLC0415 - as above

    settings.needs("postgres_url")
    database = await Database.open(str(settings.postgres_url), role="worker", max_size=4)
    try:
        yield database, Trainer(database, utc_now)
    finally:
        await database.close()


def _summary(row: ModelRow) -> str:
    report = row.report
    counts = f"{report['people']:,} people, {report['items']:,} items, {report['events']:,} events"
    lines = [f"version {row.version} is {row.status}: {report['reason']} ({counts}, {report['seconds']} s)"]
    for name in ("candidate", "popularity", "live"):
        if report[name]:
            hit, ndcg = report[name]["hit"]["mean"], report[name]["ndcg"]["mean"]
            lines.append(f"  {name:<10} hit@10 {hit:.3f}, NDCG {ndcg:.3f}, coverage {report[name]['coverage']:.2f}")
    return "\n".join(lines)
