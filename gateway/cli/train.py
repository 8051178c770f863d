"""`tagway train`: train now, or keep every workspace's model fresh."""

import asyncio
import contextlib
import signal
import sys
from datetime import datetime, timedelta
from typing import Annotated, Final, NoReturn
from uuid import UUID

import structlog
import typer
from rich.console import Console

from domain.clock import utc_now
from domain.errors import StoreUnavailable
from gateway.cli.data import find_stores
from gateway.cli.progress import Bar
from gateway.cli.workspace import DEV, no_workspace
from gateway.database import open_database
from gateway.logs import configure_logs, without_quotes
from gateway.settings import Settings, child_environment, read_settings
from learning.gleaning import Gleaner
from stores.embedded.process import Child
from stores.models import ModelRow
from stores.postgres import Connection, Database
from stores.workspaces import list_workspaces

_LOOK_EVERY: Final = 5.0
_MODEST: Final = 10
"""Niceness of training: serving comes first."""
_REST: Final = timedelta(minutes=5)
"""How long a workspace is left alone whose training was killed or failed: it stays due."""
_END_WITHIN: Final = 5.0

_log = structlog.get_logger(__name__)

Watch = Annotated[bool, typer.Option("--watch", help="Run on: gather items, train when it is time.")]
WorkspaceName = Annotated[str, typer.Option("--workspace", help="Name or id of the workspace to train now.")]


def train(workspace: WorkspaceName = DEV, watch: Watch = False) -> None:
    """Train the recommender from the stored events; publish it only if it beats popularity and the live one."""
    settings = find_stores(read_settings())
    with without_quotes():
        asyncio.run(_watch(settings) if watch else _train(settings, workspace))


async def _train(settings: Settings, named: str) -> None:
    from learning.training import Trainer  # noqa: PLC0415 - numpy, scipy and surprise take a second to load

    console = Console(highlight=False)
    async with open_database(settings) as database:
        async with database.across() as connection:
            workspace = await _find(connection, named)
        await Gleaner(database, utc_now).gather(workspace)
        with Bar(console) as bar:
            row = await Trainer(database, utc_now).train(workspace, bar)
    console.print(_summary(row), soft_wrap=True)


async def _watch(settings: Settings) -> None:
    configure_logs(level=settings.log_level)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_database(settings) as database:
        watching = asyncio.create_task(_keep_fresh(settings, database), name="watch")
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _keep_fresh(settings: Settings, database: Database) -> NoReturn:
    gleaner, every = Gleaner(database, utc_now), timedelta(hours=settings.train_hours)
    resting: dict[UUID, datetime] = {}
    while True:
        try:
            async with database.across() as connection:
                workspaces = await list_workspaces(connection)
            for workspace in workspaces:
                await gleaner.gather(workspace.id)
                if utc_now() < resting.get(workspace.id, utc_now()):
                    continue
                due = await gleaner.is_due(workspace.id, every, settings.train_events)
                if due and not await _spawn(settings, workspace.id):
                    resting[workspace.id] = utc_now() + _REST
        except StoreUnavailable as error:
            _log.warning("store_unavailable", problem=str(error))
        await asyncio.sleep(_LOOK_EVERY)


async def _spawn(settings: Settings, workspace: UUID) -> bool:
    """Train in a process of its own, which gives its memory back and ends at once when we are told to stop.

    Returns whether it came to its end.
    """
    child = Child(
        ["nice", "-n", str(_MODEST), sys.executable, "-m", "gateway.cli.main", "train", "--workspace", str(workspace)],
        account=None,
        death_signal=signal.SIGTERM,
        log=None,
        environment=child_environment(settings),
    )
    await child.start()
    try:
        code = await child.wait()
    finally:
        await child.stop(_END_WITHIN)
    _log.info("trained" if code == 0 else "training_failed", workspace=str(workspace), code=code)
    return code == 0


async def _find(connection: Connection, named: str) -> UUID:
    """Find a workspace by its name or id. Raises `Refused`."""
    for each in await list_workspaces(connection):
        if named in (each.name, str(each.id)):
            return each.id
    raise no_workspace(named)


def _summary(row: ModelRow) -> str:
    report = row.report
    counts = f"{report['people']:,} people, {report['items']:,} items, {report['events']:,} events"
    lines = [f"version {row.version} is {row.status}: {report['reason']} ({counts}, {report['seconds']} s)"]
    for name in ("candidate", "popularity", "live"):
        if report[name]:
            hit, ndcg = report[name]["hit"]["mean"], report[name]["ndcg"]["mean"]
            lines.append(f"  {name:<10} hit@10 {hit:.3f}, NDCG {ndcg:.3f}, coverage {report[name]['coverage']:.2f}")
    return "\n".join(lines)
