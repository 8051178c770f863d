"""`tagway replay`: the whole log built anew, into a fresh database beside the running one."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from domain.clock import utc_now
from domain.errors import Refused
from domain.topics import EVENTS
from gateway.addresses import POSTGRES, check_url
from gateway.cli.data import find_stores
from gateway.eventlog import open_event_log
from gateway.provider import open_provider
from gateway.settings import Settings, read_settings
from gateway.workspace import Workspaces
from profiles.backfill import Backfill
from profiles.builder import Builder
from profiles.metrics import BuildMetrics
from profiles.rebuild import Rebuild
from profiles.timers import Timers
from profiles.workshop import Workshop
from resolvers.moment import in_utc
from stores.migrate import migrate
from stores.postgres import Database
from stores.transfer import carry_holds, transfer


def replay(
    into: Annotated[str, typer.Option(help="URL of an empty database; it gets the schema and the profiles.")],
    since: Annotated[datetime | None, typer.Option(help="Leave out what the log took before this time, UTC.")] = None,
    offset: Annotated[
        list[str] | None, typer.Option(help="PARTITION:OFFSET to begin at; may be repeated. Else the beginning.")
    ] = None,
) -> None:
    """Build the log once more into fresh tables: to repair, to try a new version, or to prove that it is the same.

    The running product is only read. Workspaces, keys, consents and segments are copied as they stand, so that who
    has withdrawn or was erased meanwhile stays out.
    """
    try:
        check_url(into, POSTGRES)
    except ValueError as error:
        raise Refused(f"--into: {error}") from None
    settings = find_stores(read_settings())
    settings.needs("postgres_url")
    starts = dict(map(_place, offset or []))
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as progress:
        read, built = asyncio.run(rebuild(settings, into, starts=starts, since=in_utc(since), progress=progress))
    print(f"{read:,} records read, {built:,} events built")


async def rebuild(
    settings: Settings, into: str, *, starts: dict[int, int], since: datetime | None, progress: Progress
) -> tuple[int, int]:
    """Return how many records were read and how many events built.

    Raises `Refused` for a target that is not empty,
    and for a start that the log has not reached.
    """
    source = settings.postgres_url or ""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(open_provider(settings))
        original = await Database.open(source, role="worker", max_size=4)
        stack.push_async_callback(original.close)
        log = await open_event_log(settings, original)
        # Whoever is on the log up to here is in the tables that are copied next.
        ends = await log.ends(EVENTS)
        await log.close()
        _check(starts, ends)
        await migrate(into)
        copying = progress.add_task("copying", total=None)
        await transfer(
            source,
            into,
            with_log=settings.kafka_bootstrap is None,
            progress=lambda _, rows: progress.advance(copying, rows),
        )
        database = await Database.open(into, role="worker", max_size=8)
        stack.push_async_callback(database.close)
        log = await open_event_log(settings, database)
        stack.push_async_callback(log.close)
        metrics = BuildMetrics(CollectorRegistry())
        workshop = Workshop(database, utc_now, metrics)
        rebuilding = Rebuild(
            log,
            builder=Builder(workshop, open_keys=Workspaces(database, provider).keys),
            backfill=Backfill(workshop),
            timers=Timers(workshop),
        )
        total = sum(end - starts.get(partition, 0) for partition, end in ends.items())
        building = progress.add_task("building", total=total)
        read = await rebuilding.run(
            ends, starts=starts, since=since, progress=lambda done: progress.update(building, completed=done)
        )
        await carry_holds(source, into)
        return read, int(metrics.events._value.get())  # noqa: SLF001 - the client offers no other way to read a counter


def _check(starts: Mapping[int, int], ends: Mapping[int, int]) -> None:
    for partition, offset in starts.items():
        if partition not in ends:
            raise Refused(f"--offset {partition}:{offset}: the log has no partition {partition}")
        if offset > ends[partition]:
            raise Refused(f"--offset {partition}:{offset}: partition {partition} ends at {ends[partition]}")


def _place(text: str) -> tuple[int, int]:
    partition, colon, offset = text.partition(":")
    if not (colon and partition.isdecimal() and offset.isdecimal()):
        raise Refused(f"{text}: is not PARTITION:OFFSET")
    return int(partition), int(offset)
