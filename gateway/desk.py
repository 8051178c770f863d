"""The desk of privacy requests for the command line, on the stores of a running installation."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from domain.clock import Clock, utc_now
from gateway.provider import open_provider
from gateway.replay import open_journal
from gateway.settings import Settings
from gateway.workspace import Workspaces
from profiles.rights.desk import Desk
from profiles.rights.lists import ForgetAnswers, ForgetLists
from profiles.rights.procedures import procedures
from stores.answers import Answers
from stores.eventlog.open import open_log
from stores.postgres import Database
from stores.recommendation_cache import RecommendationCache
from stores.redis import open_redis
from stores.subject_cache import SubjectCache


@dataclass(frozen=True, slots=True)
class Office:
    """A desk with what it works on."""

    desk: Desk
    database: Database
    workspaces: Workspaces
    clock: Clock


@asynccontextmanager
async def open_office(settings: Settings, clock: Clock = utc_now) -> AsyncIterator[Office]:
    """Open the stores and close them at the end. Raises as `open_processor` does."""
    settings.needs("postgres_url", "redis_url")
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(open_provider(settings))
        database = await Database.open(settings.postgres_url or "", role="worker", max_size=4)
        stack.push_async_callback(database.close)
        redis = await open_redis(settings.redis_url or "")
        stack.push_async_callback(redis.aclose)
        log = await open_log(settings.kafka_bootstrap, database, settings.log_retention)
        stack.push_async_callback(log.close)
        workspaces = Workspaces(database, provider)
        lists = ForgetLists(RecommendationCache(redis))
        steps = procedures(
            log=log,
            cache=SubjectCache(redis),
            journal=open_journal(settings),
            copies=(("forget_lists", lists), ("forget_answers", ForgetAnswers(Answers(redis)))),
        )
        yield Office(Desk(database, clock, workspaces.rules, steps), database, workspaces, clock)
