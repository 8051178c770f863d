"""Loads whatever is reachable from a list for the whole list at once."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import UUID

from domain.alias import Alias
from domain.consent import Consent, Purpose
from learning.lists import Ask, Served
from learning.recommender import Recommender
from resolvers.loading import DataLoader, Read, Reader
from stores.items import find_items
from stores.postgres import Connection, Database
from stores.reads import consents, events, moves, profiles, segments
from stores.reads.recommendations import Standing, standings

Key = TypeVar("Key")
Value = TypeVar("Value")

COUNTED: int = 10_000
"""Totals are exact up to here, and not told beyond."""


def _one(
    read: Callable[[Connection, Sequence[Key]], Awaitable[Mapping[Key, Value]]],
) -> Callable[[Connection, Sequence[Key]], Awaitable[list[Value | None]]]:
    """Give one value per key, None where there is none."""

    async def load(connection: Connection, keys: Sequence[Key]) -> list[Value | None]:
        found = await read(connection, keys)
        return [found.get(key) for key in keys]

    return load


def _many(
    read: Callable[[Connection, Sequence[Key]], Awaitable[Mapping[Key, list[Value]]]],
) -> Callable[[Connection, Sequence[Key]], Awaitable[list[list[Value]]]]:
    """Give a list per key, empty where there is nothing."""

    async def load(connection: Connection, keys: Sequence[Key]) -> list[list[Value]]:
        found = await read(connection, keys)
        return [found.get(key, []) for key in keys]

    return load


async def _agreed_memberships(
    connection: Connection, profiles: Sequence[UUID]
) -> dict[UUID, list[segments.Membership]]:
    """List the segments of those who agree to personalisation."""
    agreeing = await consents.agreeing(connection, profiles, Purpose.PERSONALIZATION)
    return await segments.memberships(connection, list(agreeing)) if agreeing else {}


async def _count_events(connection: Connection, keys: Sequence[UUID]) -> dict[UUID, int]:
    return await events.counts(connection, keys, COUNTED + 1)


class _Made(Generic[Key, Value]):
    """A loader that each operation makes when it first asks for it: most ask for few of them."""

    def __init__(self, read: Read[Key, Value], *, apart: bool = False) -> None:
        self._read = read
        self._apart = apart

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, loaders: "Loaders", _: type) -> DataLoader[Key, Value]:
        make = loaders.reader.apart if self._apart else loaders.reader.loader
        made = loaders.__dict__[self._name] = make(self._read)
        return made


class Loaders:
    """The loaders of one operation in one workspace: each runs one statement per level of the query."""

    identities = _Made(_many(profiles.identities))
    consents = _Made(_many(profiles.consents))
    memberships = _Made(_many(segments.memberships))
    agreed_memberships = _Made(_many(_agreed_memberships))
    event = _Made(_one(events.by_message_ids))
    history = _Made(events.histories)
    event_count = _Made(_one(_count_events), apart=True)
    segment = _Made(_one(segments.by_ids))
    segment_of_key = _Made(_one(segments.by_keys))
    share_built = _Made(_one(moves.shares_built), apart=True)
    last_move = _Made(_one(moves.last_moves), apart=True)
    segment_size = _Made(_one(segments.sizes), apart=True)
    item = _Made(_one(find_items))
    standing = _Made(_one(standings))
    members = _Made(segments.members, apart=True)

    def __init__(
        self, database: Database, workspace: UUID, recommender: Recommender, saw: Callable[[Iterable[UUID]], None]
    ) -> None:
        # None may hold what holds it: when thousands of such circles are collected at once, everybody waits.
        self.reader = Reader(partial(database.workspace, workspace))
        self.profile = self.reader.loader(_one(partial(_profiles, saw)))
        self.named = self.reader.loader(partial(_named, saw, self.consents, self.standing))
        recommend = partial(recommender.for_people, workspace)
        self.recommendations = self.reader.without(partial(_recommended, self.standing, recommend))


async def _profiles(
    saw: Callable[[Iterable[UUID]], None], connection: Connection, ids: Sequence[UUID]
) -> dict[UUID, profiles.ProfileRow]:
    found = await profiles.by_ids(connection, ids)
    saw(row.id for row in found.values())
    return found


async def _named(
    saw: Callable[[Iterable[UUID]], None],
    consents_of: DataLoader[UUID, list[Consent]],
    standing_of: DataLoader[UUID, Standing | None],
    connection: Connection,
    people: Sequence[tuple[Alias, ...]],
) -> list[profiles.ProfileRow | None]:
    """Find people by their identifiers, and with them what they have said: most of what is shown asks for it."""
    found = await profiles.named(connection, people)
    saw(each.row.id for each in found if each)
    consents_of.prime({each.row.id: each.consents for each in found if each})
    standing_of.prime({each.row.id: _standing(each) for each in found if each})
    return [each.row if each else None for each in found]


async def _recommended(
    standing_of: DataLoader[UUID, Standing | None],
    recommend: Callable[[Sequence[Ask], Mapping[UUID, Standing]], Awaitable[list[Served]]],
    asks: Sequence[Ask],
) -> list[Served]:
    people = list({ask.profile for ask in asks if ask.is_of_person and ask.profile})
    found = await standing_of.load_many(people)
    return await recommend(asks, {who: each for who, each in zip(people, found, strict=True) if each})


def _standing(person: profiles.Person) -> Standing | None:
    if person.objects or person.row.restricted_at:
        return None
    said = (each.state for each in person.consents if each.purpose is Purpose.PERSONALIZATION)
    return Standing(person.row.version, next(said, None))


async def load_each(
    loader: DataLoader[Key, Value], keys: Sequence[Key], shown: Callable[[Value], Any] = lambda value: value
) -> list[Any]:
    """Load the values of many keys in one go, each as `shown` makes it, or the exception that stands for it."""
    found: list[Any] = []
    for each in await loader.each(keys):
        try:
            found.append(each if isinstance(each, Exception) else shown(each))
        except Exception as error:  # noqa: BLE001 - it stands for the value
            found.append(error)
    return found
