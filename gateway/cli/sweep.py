"""`tagway sweep`: take away at once what a builder would take away within minutes, or show what that would be."""

import asyncio
from collections import Counter
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry
from rich.console import Console

from domain.clock import utc_now
from gateway.cli.data import find_stores
from gateway.provider import open_provider
from gateway.settings import Settings, read_settings
from gateway.stores import open_stores
from gateway.workspace import Workspaces
from profiles.fading import What
from profiles.metrics import BuildMetrics
from profiles.sweeper import Sweeper
from profiles.workshop import Workshop
from stores.subject_cache import SubjectCache

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would go by now; the log is not counted.")]


def sweep(dry_run: DryRun = False) -> None:
    """Delete what has outlived its retention. Builders do so by themselves; this is for not waiting."""
    settings = find_stores(read_settings())
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
    async with open_provider(settings) as provider, open_stores(settings, role="worker", connections=4) as stores:
        sweeper = Sweeper(
            Workshop(stores.database, utc_now, BuildMetrics(CollectorRegistry())),
            stores.log,
            keep=settings.log_retention,
            keys_of=Workspaces(stores.database, provider).keys,
            forget=SubjectCache(stores.redis).drop,
            looks=dry_run,
        )
        with Console(stderr=True).status("looking …") as status:
            steps = 0
            async for each in sweeper.sweep():
                steps += 1
                taken.update(each)
                status.update(f"step {steps:,}: {taken.total():,} {'would go' if dry_run else 'gone'}")
    return taken
