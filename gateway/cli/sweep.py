"""`tagway sweep`: take away at once what a builder would take away within minutes, or show what that would be."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry
from rich.console import Console

from domain.clock import utc_now
from gateway.cli.data import find_stores
from gateway.provider import open_provider
from gateway.settings import Settings, read_settings
from gateway.workspace import Workspaces
from profiles.fading import What
from profiles.metrics import BuildMetrics
from profiles.sweeper import Sweeper
from profiles.workshop import Workshop
from stores.eventlog.open import open_log
from stores.postgres import Database
from stores.redis import open_redis
from stores.subject_cache import SubjectCache

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would go by now; the log is not counted.")]


def sweep(dry_run: DryRun = False) -> None:
    """Delete what has outlived its retention. Builders do so by themselves; this is for not waiting."""
    settings = find_stores(read_settings())
    settings.needs("postgres_url", "redis_url")
    taken = asyncio.run(_sweep(settings, dry_run=dry_run))
    for what in What:
        if taken[what]:
            print(f"{taken[what]:>12,} {what.value}")
    if not taken.total():
        print("nothing is over its time")
    elif dry_run:
        print("nothing was changed")


async def _sweep(settings: Settings, *, dry_run: bool) -> Counter[What]:
    taken: Counter[What] = Counter()
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(open_provider(settings))
        database = await Database.open(str(settings.postgres_url), role="worker", max_size=4)
        stack.push_async_callback(database.close)
        redis = await open_redis(str(settings.redis_url))
        stack.push_async_callback(redis.aclose)
        log = await open_log(settings.kafka_bootstrap, database, settings.log_retention)
        stack.push_async_callback(log.close)
        sweeper = Sweeper(
            Workshop(database, utc_now, BuildMetrics(CollectorRegistry())),
            log,
            keep=settings.log_retention,
            keys_of=Workspaces(database, provider).keys,
            forget=SubjectCache(redis).drop,
            looks=dry_run,
        )
        with Console(stderr=True).status("looking …") as status:
            steps = 0
            async for each in sweeper.sweep():
                steps += 1
                taken.update(each)
                status.update(f"step {steps:,}: {taken.total():,} {'would go' if dry_run else 'gone'}")
    return taken
