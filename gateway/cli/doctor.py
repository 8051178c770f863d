"""`tagway doctor`: the settings in use, whether everything they name answers, and whether the product keeps up."""

import asyncio
import platform
from collections.abc import Awaitable, Callable
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape

from domain.errors import CannotRun, TagwayError
from gateway.cli.data import find_made_key, find_stores
from gateway.doctor.disk import check_journal, check_spool
from gateway.doctor.documents import check_manifest
from gateway.doctor.events import check_quarters, check_retention
from gateway.doctor.keys import check_issuers, check_master_key, check_rotation
from gateway.doctor.pace import check_dead_letters, check_lag, check_timers
from gateway.doctor.stores import check_clocks, check_event_log, check_postgres, check_redis
from gateway.doctor.traces import check_traces
from gateway.doctor.wisdom import check_settings
from gateway.logs import configure_logs
from gateway.settings import Settings, read_settings
from stores.outage import STORE_FAULTS


async def _python(_settings: Settings) -> str:
    return platform.python_version()


Check = Callable[[Settings], Awaitable[str]]

_CHECKS: Final[dict[str, Check]] = {
    "Python": _python,
    "Postgres": check_postgres,
    "Redis": check_redis,
    "event log": check_event_log,
    "clocks": check_clocks,
    "lag": check_lag,
    "timers": check_timers,
    "retention": check_retention,
    "quarters": check_quarters,
    "dead letters": check_dead_letters,
    "spool": check_spool,
    "erasure journal": check_journal,
    "settings": check_settings,
    "master key": check_master_key,
    "rotation of keys": check_rotation,
    "token issuers": check_issuers,
    "query manifest": check_manifest,
    "traces": check_traces,
}

_AT_ONCE: Final = 4
"""So many are under way at a time, as each waits for a store that says nothing by itself."""

_AWAY: Final = {
    "store_unavailable": "a store does not answer",
    "log_unavailable": "the event log does not answer",
    "spool_full": "the spool is full",
}
"""For an operator: what the table of failures says besides is for who has sent something."""


def doctor() -> None:
    """List the settings, secrets hidden, and check each thing they name. Fails when something is wrong."""
    configure_logs(level="critical")  # what stores and their drivers log meanwhile is what a check says in words
    console = Console(highlight=False)
    settings = find_made_key(find_stores(read_settings()))
    listed = list(settings.describe())
    widest = max(len(name) for name, _ in listed)
    for name, value in listed:
        console.print(f"{name:<{widest}}  {escape(value) if value else '[dim]not set[/]'}", soft_wrap=True)
    if not asyncio.run(examine(settings, console)):
        raise typer.Exit(1)


async def examine(settings: Settings, console: Console) -> bool:
    """Print a line for each check, and tell whether all is well."""
    well, room = True, asyncio.Semaphore(_AT_ONCE)

    async def look(check: Check) -> str:
        async with room:
            return await check(settings)

    looks = {name: asyncio.create_task(look(check)) for name, check in _CHECKS.items()}
    for name, finding in looks.items():
        try:
            said = await finding
        except (CannotRun, *STORE_FAULTS) as error:
            well = False
            console.print(f"[red]✗[/] {name}: {escape(_told(error))}", soft_wrap=True)
        else:
            console.print(f"[green]✓[/] {name}: {escape(said)}", soft_wrap=True)
    return well


def _told(error: Exception) -> str:
    """Say it in words of ours, or of the system's: what a driver says may quote data."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, TagwayError) and error.detail is None and error.code in _AWAY:
        return _AWAY[error.code]
    return str(error) if isinstance(error, CannotRun | TagwayError | OSError) else f"refused: {type(error).__name__}"
