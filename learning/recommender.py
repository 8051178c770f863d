"""Serves lists for many people at once: a handful of statements, whatever their number."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar
from uuid import UUID

import msgspec
import structlog
import uuid_utils.compat

from domain.alias import Alias
from domain.clock import Clock
from domain.consent import State
from domain.item import Interaction
from learning.exposures import Exposures
from learning.kept import KeptLists
from learning.lists import Ask, Question, Served, Strategy
from learning.making import Made, Maker, Person
from learning.scoring import LONGEST_HISTORY
from learning.shelf import Shelf, Shelves
from learning.trending import Trending
from learning.weights import BOUGHT, WEIGHTS
from stores.postgres import Database
from stores.reads.recommendations import Standing, Wish, pasts, standing_of, standings
from stores.recommendation_cache import RecommendationCache
from stores.served import ServedList

_PURCHASES: Final = 300
_WORTH_A_THREAD: Final = 400_000
"""Items times people from which on the scoring is done beside the event loop: some ten milliseconds and more."""

_NAMES: Final = tuple(WEIGHTS)
_SEED: Final = random.SystemRandom()

_log = structlog.get_logger(__name__)
_Value = TypeVar("_Value")


class Recommender:
    """The one way to a list, for GraphQL and REST alike. Raises `StoreUnavailable` for Postgres only."""

    def __init__(
        self,
        database: Database,
        cache: RecommendationCache,
        shelves: Shelves,
        trending: Trending,
        exposures: Exposures,
        clock: Clock,
    ) -> None:
        self._database = database
        self._kept = KeptLists(cache)
        self._shelves = shelves
        self._trending = trending
        self._exposures = exposures
        self._clock = clock

    async def shelf(self, workspace: UUID) -> Shelf:
        """Give the state that lists are made from, for the names of items."""
        return await self._shelves.get(workspace)

    async def warm(self, workspace: UUID) -> None:
        """Load what the lists of a workspace are made from, before anyone asks for one."""
        await asyncio.gather(self._shelves.get(workspace), self._trending.items(workspace))

    async def for_people(
        self, workspace: UUID, asks: Sequence[Ask], standings_: Mapping[UUID, Standing] | None = None
    ) -> list[Served]:
        """Answer each ask. Who is unknown, has not agreed or has refused gets what is trending, and it says so.

        `standings_` tells how things stand with those who are asked for, if that was read a moment ago.
        """
        if standings_ is None:
            standings_ = await self._standings(workspace, asks)
        return await self._answer(workspace, asks, standings_)

    async def for_named(self, workspace: UUID, aliases: Sequence[Alias], question: Question) -> Served:
        """Answer for the person of one of these identifiers, as `for_people` does."""
        found = await self._standing_of(workspace, aliases) if aliases else None
        ask = Ask(found[0] if found else None, question)
        (served,) = await self._answer(workspace, [ask], {found[0]: found[1]} if found else {})
        return served

    async def _answer(self, workspace: UUID, asks: Sequence[Ask], standings_: Mapping[UUID, Standing]) -> list[Served]:
        known = {profile: each for profile, each in standings_.items() if each.word in (None, State.GRANTED)}
        shelf, trending = await self._shelves.get(workspace), await self._trending.items(workspace)
        maker = Maker(shelf, trending)
        # Without a model nobody's past makes a list another than what is trending: it is not read.
        own = [ask for ask in asks if shelf.model or ask.question.strategy is Strategy.BUY_AGAIN]
        kept = await self._kept.find(workspace, shelf, own, known)
        open_ = {ask for ask in own if ask not in kept and ask.profile in known}
        people = await self._people(workspace, {ask.profile for ask in open_ if ask.profile}, known)
        size = len(open_) * len(shelf.catalogue.codes)
        made = await _run(lambda: _make(maker, open_, people), beside=size >= _WORTH_A_THREAD)
        fresh = {ask: self._serve(workspace, shelf, ask.question, each) for ask, each in made.items()}
        await self._kept.keep(workspace, shelf, fresh, known)
        answers = {**kept, **fresh}
        return [
            answers.get(ask) or self._serve(workspace, shelf, ask.question, maker.for_everyone(ask.question))
            for ask in asks
        ]

    async def around(self, workspace: UUID, item: str, question: Question) -> Served:
        """List what is similar to an item, or bought together with it."""
        shelf, trending = await self._shelves.get(workspace), await self._trending.items(workspace)
        return self._serve(workspace, shelf, question, Maker(shelf, trending).around(question, item))

    async def for_everyone(self, workspace: UUID, question: Question) -> Served:
        """List what is trending."""
        (served,) = await self.for_people(workspace, [Ask(None, question)])
        return served

    # How things stand is read each time and never cached: the last word counts from the moment it is stored.

    async def _standings(self, workspace: UUID, asks: Sequence[Ask]) -> dict[UUID, Standing]:
        profiles = {ask.profile for ask in asks if ask.profile and ask.is_of_person}
        if not profiles:
            return {}
        async with self._database.workspace(workspace) as connection:
            return await standings(connection, list(profiles))

    async def _standing_of(self, workspace: UUID, aliases: Sequence[Alias]) -> tuple[UUID, Standing] | None:
        async with self._database.workspace(workspace) as connection:
            return await standing_of(connection, aliases)

    async def _people(self, workspace: UUID, profiles: set[UUID], known: Mapping[UUID, Standing]) -> dict[UUID, Person]:
        if not profiles:
            return {}
        async with self._database.workspace(workspace) as connection:
            found = await pasts(
                connection,
                list(profiles),
                names=_NAMES,
                most=LONGEST_HISTORY,
                bought=tuple(BOUGHT),
                most_bought=_PURCHASES,
            )
        now = self._clock()
        return {
            profile: Person(_usable(past.lately), _usable(past.bought), now)
            for profile, past in found.items()
            if _has_agreed(known[profile], past.lately)
        }

    def _serve(self, workspace: UUID, shelf: Shelf, question: Question, made: Made) -> Served:
        """Give a list its id and note it."""
        version = None if made.strategy in (Strategy.TRENDING, Strategy.BUY_AGAIN) else shelf.model_version
        served = Served(uuid_utils.compat.uuid7(), made.strategy, made.personalized, version, made.items)
        self._exposures.note(
            ServedList(
                workspace=workspace,
                id=served.id,
                at=self._clock(),
                strategy=served.strategy,
                model_version=served.model_version,
                personalized=served.personalized,
                context=msgspec.to_builtins(question.context),
                items=tuple(item.product_id for item in served.items),
                propensities=tuple(item.propensity for item in served.items),
            )
        )
        return served


def _make(maker: Maker, asks: set[Ask], people: Mapping[UUID, Person]) -> dict[Ask, Made]:
    lot = random.Random(_SEED.random())  # noqa: S311 - exploration is no secret
    return {
        ask: maker.for_person(ask.question, people[ask.profile], lot)
        for ask in asks
        if ask.profile and ask.profile in people
    }


async def _run(work: Callable[[], _Value], *, beside: bool) -> _Value:
    return await asyncio.to_thread(work) if beside else work()


def _has_agreed(standing: Standing, lately: Sequence[Wish]) -> bool:
    """Tell whether someone's events may be used: their last word counts, else what their last event said."""
    return standing.word is State.GRANTED or (standing.word is None and lately[0].for_personalization)


def _usable(wishes_: Sequence[Wish]) -> list[Interaction]:
    return [wish.interaction for wish in wishes_ if wish.for_personalization]
