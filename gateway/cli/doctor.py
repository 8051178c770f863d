"""`tagway doctor`: the settings in use and whether everything they name answers."""

import asyncio
import platform
from collections.abc import Awaitable, Callable

import typer
from rich.console import Console
from rich.table import Table

from domain.errors import TagwayError
from gateway.cli.data import find_stores
from gateway.provider import open_provider
from gateway.settings import Settings, SettingsError, read_settings
from stores.embedded.binaries import BinariesMissing, find_postgres, find_valkey
from stores.migrate import MigrationRefused, pending
from stores.postgres import Database
from stores.redis import open_redis
from stores.workspace_keys import list_moving

_CONNECT_WITHIN = 5.0


def doctor() -> None:
    """List the settings, secrets hidden, and check each thing they name. Fails when something is wrong."""
    console = Console(highlight=False)
    settings = find_stores(read_settings())
    table = Table("setting", "value", box=None)
    for name, value in settings.describe():
        table.add_row(name, value or "[dim]not set[/]")
    console.print(table)
    if not asyncio.run(_check(settings, console)):
        raise typer.Exit(1)


async def _check(settings: Settings, console: Console) -> bool:
    checks: dict[str, Callable[[Settings], Awaitable[str]]] = {
        "Python": _python,
        "Postgres": _postgres,
        "Redis": _redis,
        "event log": _event_log,
        "master key": _master_key,
        "rotation of keys": _rotation,
    }
    well = True
    for name, check in checks.items():
        try:
            console.print(f"[green]✓[/] {name}: {await check(settings)}")
        except (TagwayError, SettingsError, BinariesMissing, MigrationRefused, OSError, TimeoutError) as error:
            console.print(f"[red]✗[/] {name}: {error}")
            well = False
    return well


async def _python(_settings: Settings) -> str:
    return platform.python_version()


async def _postgres(settings: Settings) -> str:
    if settings.postgres_url is None:
        return f"embedded, {find_postgres(settings.postgres_program)}, not running"
    missing = await pending(settings.postgres_url)
    if missing:
        raise MigrationRefused(f"answers, but lacks {', '.join(missing)}: run `tagway migrate`")
    return "answers, schema up to date"


async def _redis(settings: Settings) -> str:
    if settings.redis_url is None:
        return f"embedded, {find_valkey(settings.valkey_program)}, not running"
    client = await open_redis(settings.redis_url)
    await client.aclose()
    return "answers"


async def _event_log(settings: Settings) -> str:
    if settings.kafka_bootstrap is None:
        return "in Postgres"
    for broker in settings.kafka_bootstrap.split(","):
        host, _, port = broker.strip().rpartition(":")
        async with asyncio.timeout(_CONNECT_WITHIN):
            _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
    return f"Kafka, {settings.kafka_bootstrap} takes connections"


async def _rotation(settings: Settings) -> str:
    if settings.postgres_url is None:
        return "not asked, for Postgres is not running"
    database = await Database.open(settings.postgres_url, role="worker", max_size=1)
    try:
        async with database.across() as connection:
            moving = await list_moving(connection)
    finally:
        await database.close()
    if not moving:
        return "none is under way"
    what = ", ".join(f"{name} {use} version {version} is {state}" for name, use, version, state in moving)
    return f"under way, and ends with `tagway keys rotate-kek` or `rotate-index`: {what}"


async def _master_key(settings: Settings) -> str:
    if settings.key_provider != "local":
        async with open_provider(settings):
            return f"held by {settings.key_provider}"
    settings.read_previous_master_key()
    if settings.master_key is None and settings.master_key_file is None:
        return "made by `tagway up`"
    settings.read_master_key()
    return "well formed"
