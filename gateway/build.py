"""The builder process, put together."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server

from domain.clock import Clock, SteadyClock, utc_now
from domain.topics import EVENTS
from gateway.logs import configure_logs, log_jump
from gateway.provider import open_provider
from gateway.replay import open_journal, replay_erasures
from gateway.settings import Settings, SettingsError
from gateway.stores import open_stores
from gateway.tracing import open_tracer
from gateway.workspace import Workspaces
from profiles.backfill import Backfill
from profiles.builder import Builder
from profiles.courtesy import Courtesy
from profiles.declaring import Declaring
from profiles.generation import in_turn
from profiles.herald import Herald
from profiles.lateness import Lateness
from profiles.matching import Matcher
from profiles.metrics import BuildMetrics
from profiles.notary import Notary
from profiles.processor import CONNECTIONS, Chore, Processor
from profiles.publisher import Publisher
from profiles.rights.desk import Desk
from profiles.rights.lists import ForgetAnswers, ForgetLists
from profiles.rights.procedures import procedures
from profiles.sweeper import Sweeper
from profiles.timers import Timers
from profiles.workshop import Workshop
from stores.answers import Answers
from stores.migrate import require_schema
from stores.news import News
from stores.postgres import Database
from stores.quarters import keep_quarters
from stores.recommendation_cache import RecommendationCache
from stores.statistics import watch_young_tables
from stores.subject_cache import SubjectCache

_ANSWERS_WITHIN: Final = 30.0
"""What a builder does, it does in small steps: a statement that takes longer has been lost on its way."""


async def build(settings: Settings, wall: Clock = utc_now) -> None:
    """Build until SIGTERM or SIGINT, then finish the batches under way. `wall` is the machine's clock.

    Raises `SettingsError` when the settings name no stores, `StoreUnavailable` and `LogUnavailable` when these are
    not there at the start, `MigrationRefused` when the schema is older than this version, `Superseded` when builders of
    a newer one have taken over.
    """
    configure_logs(level=settings.log_level)
    collect_rarely()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    settings.needs("postgres_url", "redis_url")
    await require_schema(settings.postgres_url or "")
    await replay_erasures(settings)
    seen = await Database.open(settings.postgres_url or "", role="worker", max_size=1)
    clock = SteadyClock(wall, told=log_jump)
    try:
        await in_turn(seen, stop, partial(process, settings, stop, clock))
    finally:
        await seen.close()


async def process(settings: Settings, stop: asyncio.Event, clock: Clock) -> None:
    """Build until `stop` is set."""
    async with open_processor(settings, clock) as processor:
        await processor.run(stop)


def collect_rarely() -> None:
    """Let the garbage collector look less often at the remembered profiles, which are many and hold no cycles."""
    gc.set_threshold(50_000, 20, 50)


def _show(settings: Settings, port: int, registry: CollectorRegistry) -> Callable[[], None]:
    """Show the metrics until what is returned is called. Raises `SettingsError` where the port is taken."""
    try:
        server, _ = start_http_server(port, settings.host, registry)
    except OSError as error:
        raise SettingsError(
            f"TAGWAY_BUILD_METRICS_PORT={port} cannot be used ({error.strerror}): each builder needs one of its own"
        ) from None
    return server.shutdown


@asynccontextmanager
async def open_processor(settings: Settings, clock: Clock = utc_now) -> AsyncIterator[Processor]:
    """Open the stores, put everything on top, and close all of it in reverse."""
    async with AsyncExitStack() as stack:
        tracer = await stack.enter_async_context(open_tracer(settings, "tagway-build"))
        provider = await stack.enter_async_context(open_provider(settings))
        connections = max(settings.postgres_connections, CONNECTIONS)
        stores = await stack.enter_async_context(
            open_stores(
                settings,
                role="worker",
                connections=connections,
                answers_within=_ANSWERS_WITHIN,
                needs_redis=False,
            )
        )
        database, redis, log = stores

        registry = CollectorRegistry()
        metrics = BuildMetrics(registry)
        workshop = Workshop(database, clock, metrics)
        if settings.build_metrics_port is not None:
            stack.callback(_show(settings, settings.build_metrics_port, registry))
        workspaces = Workspaces(database, provider)
        cache, courtesy = SubjectCache(redis), Courtesy()
        forget = courtesy.of(cache.drop)
        timers = Timers(workshop)
        builder = Builder(
            workshop,
            forget=forget,
            forget_records=partial(log.forget, EVENTS),
            open_keys=workspaces.keys,
            wake_timers=timers.wake,
            tell=courtesy.of(News(redis).publish),
            tracer=tracer,
        )
        chores: dict[str, Chore] = {
            "timers": timers.run,
            "backfill": Backfill(workshop).run,
            "declaring": Declaring(workshop).run,
            "matcher": Matcher(database, clock, forget=forget).run,
            "publisher": Publisher(database, redis, log, metrics, tracer).run,
            "notary": Notary(database, log, clock, workspaces.keys).run,
            "herald": Herald(database, log, clock).run,
            "desk": Desk(
                database,
                clock,
                workspaces.rules,
                procedures(
                    log=log,
                    cache=cache,
                    journal=open_journal(settings),
                    catalogue=workshop.catalogue,
                    memory=workshop.memory,
                    copies=(
                        ("forget_lists", ForgetLists(RecommendationCache(redis))),
                        ("forget_answers", ForgetAnswers(Answers(redis))),
                    ),
                ),
                memory=workshop.memory,
            ).run,
            "sweeper": Sweeper(workshop, log, keep=settings.log_retention, keys_of=workspaces.keys, forget=forget).run,
            "statistics": partial(watch_young_tables, database),
            "quarters": partial(keep_quarters, database, clock),
            "lateness": Lateness(database, log, metrics, clock).run,
        }
        yield Processor(log, builder=builder, chores=chores)
