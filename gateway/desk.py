"""The desk of privacy requests for the command line, on the stores of a running installation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from domain.clock import Clock, utc_now
from gateway.provider import open_provider
from gateway.replay import open_journal
from gateway.settings import Settings
from gateway.stores import open_stores
from gateway.workspace import Workspaces
from profiles.rights.desk import Desk
from profiles.rights.lists import ForgetAnswers, ForgetLists
from profiles.rights.procedures import procedures
from stores.answers import Answers
from stores.postgres import Database
from stores.recommendation_cache import RecommendationCache
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
    async with (
        open_provider(settings) as provider,
        open_stores(settings, role="worker", connections=4) as (database, redis, log),
    ):
        workspaces = Workspaces(database, provider)
        lists = ForgetLists(RecommendationCache(redis))
        steps = procedures(
            log=log,
            cache=SubjectCache(redis),
            journal=open_journal(settings),
            copies=(("forget_lists", lists), ("forget_answers", ForgetAnswers(Answers(redis)))),
        )
        yield Office(Desk(database, clock, workspaces.rules, steps), database, workspaces, clock)
