"""The one place where the web process is put together."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import structlog

from domain.access import LookLimits
from domain.clock import Clock, utc_now
from domain.pace import Pace
from domain.spending import Allowance
from domain.tracing import Tracer
from gateway.auth import Authenticator
from gateway.collect.collector import Collector
from gateway.collect.entrance import Entrance
from gateway.collect.feed import LiveFeed
from gateway.collect.intake import Intake
from gateway.collect.limit import EventLimit
from gateway.collect.pipeline import Pipeline, build_steps
from gateway.collect.spooling import Spooling
from gateway.collect.tally import Tally
from gateway.errors import place_of
from gateway.graphql.app import GraphQLApp
from gateway.graphql.callers import Callers
from gateway.issuers import Issuers, read_issuers
from gateway.losses import Losses
from gateway.manifest import read_manifest
from gateway.metrics import Metrics
from gateway.provider import open_provider
from gateway.resources import Resources
from gateway.settings import Settings
from gateway.sites import Sites
from gateway.stores import Stores, open_stores
from gateway.streams import Streams
from gateway.subjects import Subjects
from gateway.tracing import open_tracer
from gateway.warming import Warming
from gateway.workspace import Workspaces
from learning.exposures import Exposures
from learning.recommender import Recommender
from learning.shelf import Shelves
from learning.trending import Trending
from privacy.keys import KeyProvider
from resolvers.budget import Budget
from resolvers.context import Services
from resolvers.documents import Documents
from resolvers.live.hub import Figures, Hub
from resolvers.schema import build_schema
from stores.answers import Answers
from stores.broadcast import Broadcast
from stores.feed import Feed
from stores.paces import Paces
from stores.purse import Purse
from stores.recommendation_cache import RecommendationCache
from stores.spool.spool import Spool
from stores.statistics import watch_young_tables
from stores.subject_cache import SubjectCache

_COLLECTING_AT_MOST: Final = 256
_STREAMS_AT_MOST: Final = 1_000
_STREAMS_OF_A_KEY: Final = 100
_ANSWERS_WITHIN: Final = 15.0
"""How long a statement of a gateway may take: somebody waits for it, and can ask again."""

_LOG = structlog.get_logger(__name__)


@asynccontextmanager
async def open_resources(settings: Settings, clock: Clock = utc_now) -> AsyncIterator[Resources]:
    """Open every store, build everything on top, and close all of it in reverse.

    Raises `SettingsError` when the settings name no stores, `StoreUnavailable` and `LogUnavailable`.
    """
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(open_provider(settings))
        stores = await stack.enter_async_context(
            open_stores(
                settings,
                role="app",
                connections=settings.postgres_connections,
                at_once=True,
                answers_within=_ANSWERS_WITHIN,
                needs_redis=False,
            )
        )
        database, redis, log = stores
        metrics = Metrics()
        tracer = await stack.enter_async_context(open_tracer(settings, "tagway-serve"))
        workspaces = Workspaces(database, provider)
        issuers = Issuers(read_issuers(settings.token_issuers))
        authenticator = Authenticator(database, workspaces, clock, issuers=issuers)
        feed = LiveFeed(Feed(redis), metrics)
        await stack.enter_async_context(_running(feed.run(), "live feed"))
        losses = Losses(database, clock, metrics)
        await stack.enter_async_context(_running(losses.run(), "losses"))
        await stack.enter_async_context(_running(watch_young_tables(database), "statistics"))
        recommender = await _open_recommender(stack, stores, clock)
        warming = await Warming.of(settings, recommender)
        await stack.enter_async_context(_running(warming.run(), "warming"))
        figures = Figures(metrics.overflowed.inc, metrics.push_seconds.observe)
        hub = await stack.enter_async_context(Hub(database, Broadcast(redis), figures).running())
        spool = await _open_spool(settings, stack, provider, clock)
        spooling = Spooling(spool, workspaces, metrics, healthy=stores.healthy) if spool else None
        subjects = Subjects(database, workspaces, SubjectCache(redis), clock, metrics)
        collector = Collector(
            Pipeline(build_steps(subjects, log, metrics, tracer), metrics, tracer),
            workspaces,
            feed=feed,
            losses=losses,
            clock=clock,
            spooling=spooling,
            tracer=tracer,
        )
        stack.push_async_callback(collector.close)
        if spooling is not None:
            await stack.enter_async_context(_running(spooling.run(collector.run), "spool"))
        intake = Intake(_COLLECTING_AT_MOST, metrics)
        limit = EventLimit(Paces(redis), Pace(settings.events_per_second, settings.events_at_once), metrics)
        tally = Tally(metrics)
        entrance = Entrance(collector, intake, limit, tally)
        services = _services(settings, stores, workspaces, recommender, hub, clock, entrance, tracer)
        callers = Callers(services, authenticator, workspaces)
        graphql = _graphql(settings, services, callers, intake, metrics)
        streams = Streams(_STREAMS_AT_MOST, _STREAMS_OF_A_KEY)
        metrics.subscriptions.set_function(lambda: hub.subscriptions)
        metrics.streams.labels("graphql").set_function(lambda: graphql.streams.open)
        metrics.streams.labels("events").set_function(lambda: streams.open)
        yield Resources(
            settings=settings,
            clock=clock,
            database=database,
            redis=redis,
            log=log,
            workspaces=workspaces,
            sites=Sites(database),
            authenticator=authenticator,
            losses=losses,
            collector=collector,
            spooling=spooling,
            intake=intake,
            limit=limit,
            tally=tally,
            entrance=entrance,
            streams=streams,
            feed=feed,
            recommender=recommender,
            warming=warming,
            metrics=metrics,
            graphql=graphql,
            tracer=tracer,
        )


async def _open_recommender(stack: AsyncExitStack, stores: Stores, clock: Clock) -> Recommender:
    database = stores.database
    exposures = await stack.enter_async_context(Exposures(database).running())
    shelves = Shelves(database, clock)
    stack.push_async_callback(shelves.close)
    trending = Trending(database, clock)
    stack.push_async_callback(trending.close)
    cache = RecommendationCache(stores.redis)
    return Recommender(database, cache, shelves, trending, exposures, clock)


def _services(
    settings: Settings,
    stores: Stores,
    workspaces: Workspaces,
    recommender: Recommender,
    hub: Hub,
    clock: Clock,
    entrance: Entrance,
    tracer: Tracer,
) -> Services:
    """Give resolvers all that they may reach."""
    return Services(
        stores.database,
        hub,
        SubjectCache(stores.redis),
        clock,
        workspaces.policy,
        workspaces.keys,
        recommender,
        development=settings.profile == "dev",
        budget=Budget(Purse(stores.redis), Allowance(settings.query_points, settings.query_points_per_second)),
        log=stores.log,
        look_limits=LookLimits(settings.looks_per_minute, settings.people_per_day),
        holidays=frozenset(settings.holidays),
        answers=Answers(stores.redis),
        collect=entrance.take,
        tracer=tracer,
    )


def _graphql(settings: Settings, services: Services, callers: Callers, intake: Intake, metrics: Metrics) -> GraphQLApp:
    trusted = read_manifest(settings.query_manifest)
    schema = build_schema(lambda fate: metrics.answers_kept.labels(fate).inc())
    schema.warm(trusted.values())
    documents = Documents(trusted, anything=services.development)
    return GraphQLApp(schema, services, callers, documents, arriving=intake.arriving, failed=metrics.failed)


async def _open_spool(settings: Settings, stack: AsyncExitStack, provider: KeyProvider, clock: Clock) -> Spool | None:
    """Open the spool, with what an earlier process left in it; None where it is switched off."""
    if not settings.spool_megabytes:
        return None
    most = settings.spool_megabytes * 1_000_000
    spool = await Spool.open(settings.spool_folder, provider, most_bytes=most, clock=clock)
    stack.push_async_callback(spool.close)
    return spool


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _tell(task: asyncio.Task[None]) -> None:
    """Say so when what should go on for as long as the process has come to an end by a fault."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.error("background_work_ended", work=task.get_name(), error=type(error).__name__, place=place_of(error))
