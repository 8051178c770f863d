"""The one place where the web process is put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

from domain.clock import Clock, utc_now
from gateway.auth import Authenticator
from gateway.collect.collector import Collector
from gateway.collect.intake import Intake
from gateway.collect.pipeline import Pipeline, build_steps
from gateway.feed import LiveFeed
from gateway.graphql import GraphQLApp
from gateway.metrics import Metrics
from gateway.resources import Resources
from gateway.settings import Settings
from gateway.subjects import Subjects
from gateway.workspace import Workspaces
from learning.exposures import Exposures
from learning.recommender import Recommender
from learning.shelf import Shelves
from learning.trending import Trending
from privacy.keys import LocalMasterKey
from resolvers.context import Services
from resolvers.live.hub import Hub
from resolvers.schema import build_schema
from stores.broadcast import Broadcast
from stores.eventlog.open import open_log
from stores.feed import Feed
from stores.postgres import Database
from stores.recommendation_cache import RecommendationCache
from stores.redis import open_redis
from stores.subject_cache import SubjectCache

_COLLECTING_AT_MOST: Final = 256


@asynccontextmanager
async def open_resources(settings: Settings, clock: Clock = utc_now) -> AsyncIterator[Resources]:
    """Open every store, build everything on top, and close all of it in reverse.

    Raises `SettingsError` when the settings name no stores, `StoreUnavailable` and `LogUnavailable`.
    """
    settings.needs("postgres_url", "redis_url")
    provider = LocalMasterKey(settings.read_master_key())
    async with AsyncExitStack() as stack:
        database = await Database.open(settings.postgres_url or "", role="app", max_size=settings.postgres_connections)
        stack.push_async_callback(database.close)
        redis = await open_redis(settings.redis_url or "")
        stack.push_async_callback(redis.aclose)
        log = await open_log(settings.kafka_bootstrap, database)
        stack.push_async_callback(log.close)

        metrics = Metrics()
        workspaces = Workspaces(database, provider)
        subjects = Subjects(database, SubjectCache(redis), clock, metrics)
        feed = LiveFeed(Feed(redis), metrics)
        await stack.enter_async_context(_running(feed))
        hub = await stack.enter_async_context(Hub(database, Broadcast(redis)).running())
        authenticator = Authenticator(database, workspaces, clock)
        exposures = await stack.enter_async_context(Exposures(database).running())
        shelves = Shelves(database, clock)
        stack.push_async_callback(shelves.close)
        recommender = Recommender(
            database, RecommendationCache(redis), shelves, Trending(database, clock), exposures, clock
        )
        services = Services(database, hub, clock, recommender, development=settings.profile == "dev")
        yield Resources(
            settings=settings,
            clock=clock,
            database=database,
            redis=redis,
            log=log,
            workspaces=workspaces,
            authenticator=authenticator,
            collector=Collector(Pipeline(build_steps(subjects, log), metrics), workspaces, feed, clock),
            intake=Intake(_COLLECTING_AT_MOST, metrics),
            feed=feed,
            recommender=recommender,
            metrics=metrics,
            graphql=GraphQLApp(build_schema(), services, authenticator, workspaces),
        )


@asynccontextmanager
async def _running(feed: LiveFeed) -> AsyncIterator[None]:
    task = asyncio.create_task(feed.run(), name="live feed")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
