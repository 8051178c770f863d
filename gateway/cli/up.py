"""`tagway up`: everything in one foreground process group, on embedded stores unless others are named."""

import asyncio
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from rich.console import Console

from domain.clock import utc_now
from gateway.brokers import read_brokers
from gateway.cli.data import DataFolder, DevKeys
from gateway.cli.founding import ensure_dev_keys
from gateway.cli.keeper import PROGRAM, Command, Say, keep
from gateway.provider import open_provider
from gateway.settings import Settings, SettingsError, read_settings
from gateway.stores import open_redis
from stores.embedded.postgres import EmbeddedPostgres
from stores.embedded.server import EmbeddedServer, ServerFailed
from stores.embedded.valkey import EmbeddedValkey
from stores.migrate import migrate
from stores.postgres import Database

_SERVING_WITHIN = 60.0


def up() -> None:
    """Run everything on this machine: stores, gateway and builder. Ctrl-C stops it, the data stays."""
    asyncio.run(until_stopped(read_settings(), Console(highlight=False)))


async def until_stopped(settings: Settings, console: Console, program: str = PROGRAM) -> None:
    """Run until a signal comes, then undo every step in reverse order. `program` is the module of our processes."""
    loop = asyncio.get_running_loop()
    everything = asyncio.create_task(run(settings, console, program))
    signals: list[str] = []

    def stop(name: str) -> None:
        if not signals:
            console.print("[dim]stopping …[/]")
            everything.cancel()
        signals.append(name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number.name)
    try:
        await everything
    except asyncio.CancelledError:
        if not signals:
            raise
        console.print("stopped; the data stays for the next start")
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


async def run(settings: Settings, console: Console, program: str = PROGRAM) -> None:
    """Start every part, keep each alive, and run until cancelled. Raises what a part's start raises."""

    def say(text: str) -> None:
        console.print(text, soft_wrap=True)

    folder = DataFolder(settings.data)
    async with AsyncExitStack() as house:
        house.enter_context(folder.owned())
        _require_free(settings)
        read_brokers(settings)  # a part that cannot read them would be started again for ever
        keepers: list[tuple[EmbeddedServer | Command, str, str]] = []
        own = settings.postgres_url is None
        settings = await _start_stores(settings, folder, house, keepers, say)
        async with open_redis(settings):
            pass  # the gateway starts without it too, and nobody would know that its address is wrong
        makes_key = False
        if settings.key_provider == "local":
            if settings.master_key is None and settings.master_key_file is None:
                makes_key = not folder.master_key.exists()
                settings = msgspec.structs.replace(settings, master_key_file=folder.make_master_key())
            settings.read_master_key()
        if settings.spool is None:
            settings = msgspec.structs.replace(settings, spool=folder.spool)
        if settings.erasure_journal is None:
            settings = msgspec.structs.replace(settings, erasure_journal=folder.erasure_journal)
        try:
            keys = await _prepare(settings, folder, say, own=own)
        except SettingsError:
            if makes_key:  # it opens nothing, and the right one belongs in its place
                folder.master_key.unlink()
            raise
        file = folder.write_keys(keys, own=own)
        folder.publish(settings)
        for name in ("build", "serve", "train --watch"):
            command = Command(name, settings, program)
            await command.start()
            house.push_async_callback(command.stop)
            keepers.append((command, f"tagway {name}", ""))
        async with asyncio.TaskGroup() as group:
            for part, name, address in keepers:
                group.create_task(keep(part, name, address, say))
            await _serving(settings)
            _greet(settings, keys, file, console)


async def _start_stores(
    settings: Settings,
    folder: DataFolder,
    house: AsyncExitStack,
    keepers: list[tuple[EmbeddedServer | Command, str, str]],
    say: Say,
) -> Settings:
    """Start the embedded stores that the settings do not name, and return the settings with their URLs."""
    servers: dict[str, EmbeddedServer] = {}
    if settings.postgres_url is None:
        servers["postgres"] = EmbeddedPostgres(folder.path / "postgres", program=settings.postgres_program)
    if settings.redis_url is None:
        servers["redis"] = EmbeddedValkey(folder.path / "redis", program=settings.valkey_program)
    for name, server in servers.items():
        say(f"starting {name} …")
        url = await server.start()
        house.push_async_callback(server.stop)
        keepers.append((server, name, url))
        settings = msgspec.structs.replace(settings, **{f"{name}_url": url})
    elsewhere = [str(home.resolve()) for name in servers if (home := folder.path / name).is_symlink()]
    if elsewhere:
        say(f"data is in {' and '.join(elsewhere)}, because the account of the stores may not enter {folder.path}")
    return settings


async def _prepare(settings: Settings, folder: DataFolder, say: Say, *, own: bool) -> DevKeys:
    """Bring the schema up to date and see to the development workspace.

    Where Postgres is our own, whoever was at work before has ended with it.
    """
    settings.needs("postgres_url")
    url = str(settings.postgres_url)
    await migrate(url, after=own, progress=lambda name: say(f"migrating {name} …"))
    database = await Database.open(url, role="worker", max_size=1)
    try:
        async with open_provider(settings) as provider:
            return await ensure_dev_keys(database, provider, folder.read_keys(), utc_now())
    finally:
        await database.close()


def _require_free(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            reason = (
                f"{settings.host}:{settings.port} cannot be used ({error.strerror}): set TAGWAY_PORT or TAGWAY_HOST"
            )
            raise SettingsError(reason) from None


async def _serving(settings: Settings) -> None:
    """Wait until the gateway takes connections. Raises `ServerFailed`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _SERVING_WITHIN
    while loop.time() < deadline:
        try:
            _, writer = await asyncio.open_connection(settings.host, settings.port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        await writer.wait_closed()
        return
    raise ServerFailed("the gateway does not answer; what it said stands above")


def _greet(settings: Settings, keys: DevKeys, file: Path, console: Console) -> None:
    console.print(f"\n[bold green]Tagway is up[/] on {settings.address}\n")
    pages = {"console": "/", "demo shop": "/demo", "GraphQL": "/graphql"}
    if settings.profile == "production":
        del pages["demo shop"]
    for name, path in pages.items():
        console.print(f"  {name:<11} {settings.address}{path}")
    console.print(f"\n  write key   {keys.write_key}\n  secret key  {keys.secret_key}", soft_wrap=True)
    console.print(f"  workspace   {keys.workspace}\n  kept in     {file}\n", soft_wrap=True)
    console.print("[dim]Ctrl-C stops everything; the data stays.[/]")
