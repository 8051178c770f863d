"""The stores that the settings name, for as long as a process works on them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import structlog

from domain.errors import StoreUnavailable
from gateway.database import open_database
from gateway.eventlog import open_event_log
from gateway.settings import Settings
from stores.eventlog.port import EventLog
from stores.postgres import ANSWERS_WITHIN, Database, Role
from stores.redis import Redis, make_redis, prove
from stores.redis import open_redis as connect

_LOG = structlog.get_logger(__name__)


class Stores(NamedTuple):
    """All three, open."""

    database: Database
    redis: Redis
    log: EventLog

    async def healthy(self) -> bool:
        """Tell whether what takes events in answers; without Redis they are taken in all the same."""
        return all(await asyncio.gather(self.database.healthy(), self.log.healthy()))


@asynccontextmanager
async def open_stores(
    settings: Settings,
    *,
    role: Role,
    connections: int,
    at_once: bool = False,
    answers_within: float = ANSWERS_WITHIN,
    needs_redis: bool = True,
) -> AsyncIterator[Stores]:
    """Open Postgres, Redis and the log, and close them in reverse; what is asked of the pool, `Database.open` tells.

    Where Redis is not needed, it may come later. Raises `SettingsError` when the settings name no stores,
    `StoreUnavailable` and `LogUnavailable`.
    """
    settings.needs("postgres_url", "redis_url")
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            open_database(settings, role=role, connections=connections, at_once=at_once, answers_within=answers_within)
        )
        redis = await stack.enter_async_context(open_redis(settings) if needs_redis else _await_redis(settings))
        log = await open_event_log(settings, database)
        stack.push_async_callback(log.close)
        yield Stores(database, redis, log)


@asynccontextmanager
async def open_redis(settings: Settings) -> AsyncIterator[Redis]:
    """Lend a client of the Redis that the settings name. Raises `SettingsError` and `StoreUnavailable`."""
    settings.needs("redis_url")
    redis = await connect(settings.redis_url or "")
    try:
        yield redis
    finally:
        await redis.aclose()


@asynccontextmanager
async def _await_redis(settings: Settings) -> AsyncIterator[Redis]:
    """Lend a client of a Redis that may come later."""
    redis = make_redis(settings.redis_url or "")
    try:
        await prove(redis)
    except StoreUnavailable as error:
        _LOG.warning("redis_away", problem=error.detail)
    try:
        yield redis
    finally:
        await redis.aclose()
