"""`tagway doctor`: the settings in use, whether everything they name answers, and whether the product keeps up."""

import asyncio
import os
import platform
import shutil
from collections.abc import Awaitable, Callable

import typer
from rich.console import Console
from rich.table import Table

from domain.clock import utc_now
from domain.errors import CannotRun, TagwayError
from domain.topics import EVENTS
from gateway.brokers import read_brokers
from gateway.cli.data import find_stores
from gateway.database import open_database
from gateway.issuers import Issuers, read_issuers
from gateway.provider import open_provider
from gateway.settings import Settings, SettingsError, read_settings
from profiles.builder import GROUP
from stores.embedded.binaries import find_postgres, find_valkey
from stores.eventlog.open import open_log
from stores.migrate import pending
from stores.migrations import MigrationRefused
from stores.offsets import read_offsets
from stores.redis import open_redis
from stores.vitals import Vitals, read_vitals
from stores.workspace_keys import list_moving

_ASK_WITHIN = 15.0
_SKEW_SECONDS = 2.0
"""Beyond this, times of events and of consents from two machines no longer stand in their order."""
_MUCH = 10_000
_NOT_ASKED = "not asked, for the stores are not running"


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
        "clocks": _clocks,
        "lag": _lag,
        "timers": _timers,
        "dead letters": _dead_letters,
        "spool": _spool,
        "settings": _wisdom,
        "master key": _master_key,
        "rotation of keys": _rotation,
        "token issuers": _issuers,
    }
    well = True
    for name, check in checks.items():
        try:
            console.print(f"[green]✓[/] {name}: {await check(settings)}")
        except (TagwayError, CannotRun, OSError, TimeoutError) as error:
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
    waiting = await pending(settings.postgres_url, after=True)
    if waiting:
        return f"answers, schema up to date; {', '.join(waiting)} waits for `tagway migrate --after`"
    return "answers, schema up to date"


async def _redis(settings: Settings) -> str:
    if settings.redis_url is None:
        return f"embedded, {find_valkey(settings.valkey_program)}, not running"
    client = await open_redis(settings.redis_url)
    await client.aclose()
    return "answers"


async def _event_log(settings: Settings) -> str:
    brokers = read_brokers(settings)
    if brokers is None:
        return "in Postgres"
    if refusals := await brokers.refusals():
        raise SettingsError("; ".join(refusals))
    return f"Kafka, {brokers.bootstrap} lets us in"


async def _clocks(settings: Settings) -> str:
    if settings.postgres_url is None or settings.redis_url is None:
        return _NOT_ASKED
    vitals = await _vitals(settings)
    redis = await open_redis(settings.redis_url)
    try:
        seconds, micros = await redis.time()
    finally:
        await redis.aclose()
    now = utc_now()
    skews = {
        "Postgres": (vitals.now - now).total_seconds(),
        "Redis": seconds + micros / 1e6 - now.timestamp(),
    }
    worst = max(skews, key=lambda name: abs(skews[name]))
    if abs(skews[worst]) > _SKEW_SECONDS:
        raise SettingsError(f"{worst}'s clock is {skews[worst]:+.1f} s off ours: let NTP set both")
    return f"within {max(map(abs, skews.values())):.1f} s of each other"


async def _lag(settings: Settings) -> str:
    if settings.postgres_url is None:
        return _NOT_ASKED
    async with open_database(settings, connections=3) as database:
        log = await open_log(read_brokers(settings), database, settings.log_retention)
        try:
            async with asyncio.timeout(_ASK_WITHIN):
                ends, source = await log.ends(EVENTS), await log.source(EVENTS)
        finally:
            await log.close()
        async with database.across() as connection:
            offsets = await read_offsets(connection, GROUP, source)
            vitals = await read_vitals(connection)
    behind = sum(max(end - offsets.get(partition, 0), 0) for partition, end in ends.items())
    if behind > _MUCH:
        raise SettingsError(f"{behind:,} events are not built yet: start more `tagway build`, or look why none builds")
    if vitals.unpublished >= _MUCH:
        raise SettingsError(f"{vitals.unpublished:,} segment changes wait to be published: does a builder run?")
    return f"{behind:,} events to build, {vitals.unpublished:,} changes to publish"


async def _timers(settings: Settings) -> str:
    if settings.postgres_url is None:
        return _NOT_ASKED
    vitals = await _vitals(settings)
    if vitals.oldest_timer is not None:
        late = utc_now() - vitals.oldest_timer
        raise SettingsError(f"{vitals.timers_due:,} are overdue, by up to {late}: does a builder run?")
    building = f", {vitals.building_segments:,} segments are being built" if vitals.building_segments else ""
    return f"none is overdue{building}"


async def _dead_letters(settings: Settings) -> str:
    if settings.postgres_url is None:
        return _NOT_ASKED
    count = (await _vitals(settings)).dead_letters
    return f"{count:,}: see `tagway deadletters list`" if count else "none"


async def _spool(settings: Settings) -> str:
    if not settings.spool_megabytes:
        return "off: without the log or Postgres events are refused"
    folder = settings.spool_folder
    place = folder if folder.exists() else next(parent for parent in folder.absolute().parents if parent.exists())
    if not os.access(place, os.W_OK):
        raise SettingsError(f"{place} cannot be written: set TAGWAY_SPOOL")
    free = shutil.disk_usage(place).free // 1_000_000
    if free < settings.spool_megabytes:
        raise SettingsError(f"{folder} may grow to {settings.spool_megabytes:,} MB, and its disk has {free:,} MB left")
    waiting = sum(path.stat().st_size for path in folder.glob("*/*.spool")) // 1_000
    aside = [path.lstat().st_size for kind in ("rejected", "damaged") for path in folder.glob(f"*/*.{kind}")]
    told = f", {len(aside)} files of {sum(aside) // 1_000:,} KB are put aside and take room from it" if aside else ""
    return f"{waiting:,} KB wait in {folder}{told}"


async def _wisdom(settings: Settings) -> str:
    """Name what is allowed and probably not meant."""
    doubts = []
    if settings.profile == "production":
        if settings.log_level == "debug":
            doubts.append("TAGWAY_LOG_LEVEL=debug is noisy")
        if settings.public_url is None:
            doubts.append("TAGWAY_PUBLIC_URL is not set, so tags are told the address that a request came to")
        elif settings.public_url.startswith("http://"):
            doubts.append("TAGWAY_PUBLIC_URL is not https")
        if settings.erasure_journal is None:
            doubts.append("TAGWAY_ERASURE_JOURNAL is not set, so a restored backup may bring erased people back")
        if settings.build_metrics_port is None:
            doubts.append("TAGWAY_BUILD_METRICS_PORT is not set, so nobody sees how far builders are")
    return "; ".join(doubts) or "nothing is odd"


async def _vitals(settings: Settings) -> Vitals:
    async with open_database(settings, connections=1) as database, database.across() as connection:
        return await read_vitals(connection)


async def _rotation(settings: Settings) -> str:
    if settings.postgres_url is None:
        return _NOT_ASKED
    async with open_database(settings, connections=1) as database, database.across() as connection:
        moving = await list_moving(connection)
    if not moving:
        return "none is under way"
    what = ", ".join(f"{name} {use} version {version} is {state}" for name, use, version, state in moving)
    return f"under way, and ends with `tagway keys rotate-kek` or `rotate-index`: {what}"


async def _issuers(settings: Settings) -> str:
    listed = read_issuers(settings.token_issuers)
    if silent := await Issuers(listed).check():
        raise SettingsError(f"no usable keys from {', '.join(silent)}")
    return f"{len(listed)} of them, keys read" if listed else "none"


async def _master_key(settings: Settings) -> str:
    if settings.key_provider != "local":
        async with open_provider(settings):
            return f"held by {settings.key_provider}"
    settings.read_previous_master_key()
    if settings.master_key is None and settings.master_key_file is None:
        return "made by `tagway up`"
    settings.read_master_key()
    return "well formed"
