"""Loads whatever is reachable from a list for the whole list at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from domain.alias import Alias
from domain.consent import Consent, Purpose
from domain.item import Item
from learning.lists import Ask, Served
from learning.recommender import Recommender
from stores.items import find_items
from stores.postgres import Connection, Database
from stores.reads import consents, events, moves, profiles, segments

Key = TypeVar("Key")
Value = TypeVar("Value")

COUNTED: int = 10_000
"""Totals are exact up to here, and not told beyond."""


class Shared(DataLoader[Key, Value]):
    """A loader whose values outlive who waits for them.

    Several may wait for the same, and graphql-core cancels whoever waits for what became null.
    """

    def load(self, key: Key) -> Awaitable[Value]:
        """Load one value, together with all that is asked for in the same turn."""
        return asyncio.shield(super().load(key))


class Loaders:
    """The loaders of one operation in one workspace: each runs one statement per level of the query."""

    def __init__(
        self, database: Database, workspace: UUID, recommender: Recommender, saw: Callable[[Iterable[UUID]], None]
    ) -> None:
        self._database = database
        self._workspace = workspace
        self._saw = saw
        self.profile: DataLoader[UUID, profiles.ProfileRow | None] = self._one(self._profiles)
        self.profile_of_alias: DataLoader[Alias, UUID | None] = self._one(profiles.of_aliases)
        self.identities: DataLoader[UUID, list[profiles.Identity]] = self._many(profiles.identities)
        self.consents: DataLoader[UUID, list[Consent]] = self._many(profiles.consents)
        self.memberships: DataLoader[UUID, list[segments.Membership]] = self._many(segments.memberships)
        self.agreed_memberships: DataLoader[UUID, list[segments.Membership]] = self._many(_agreed_memberships)
        self.event: DataLoader[str, events.EventRow | None] = self._one(events.by_message_ids)
        self.history: DataLoader[events.History, list[events.EventRow]] = self._listed(events.histories)
        self.event_count: DataLoader[UUID, int | None] = self._one(_count_events)
        self.segment: DataLoader[UUID, segments.SegmentRow | None] = self._one(segments.by_ids)
        self.segment_of_key: DataLoader[str, segments.SegmentRow | None] = self._one(segments.by_keys)
        self.share_built: DataLoader[UUID, float | None] = self._one(moves.shares_built)
        self.last_move: DataLoader[UUID, datetime | None] = self._one(moves.last_moves)
        self.segment_size: DataLoader[UUID, int | None] = self._one(segments.sizes)
        self.item: DataLoader[str, Item | None] = self._one(find_items)
        self.recommendations: DataLoader[Ask, Served] = Shared(partial(recommender.for_people, workspace))
        self.members: DataLoader[segments.Members, list[profiles.ProfileRow]] = self._listed(segments.members)

    async def _profiles(self, connection: Connection, ids: Sequence[UUID]) -> dict[UUID, profiles.ProfileRow]:
        found = await profiles.by_ids(connection, ids)
        self._saw(row.id for row in found.values())
        return found

    def _one(
        self, read: Callable[[Connection, Sequence[Key]], Awaitable[dict[Key, Value]]]
    ) -> DataLoader[Key, Value | None]:
        """Load one value per key, None where there is none."""

        async def load(keys: list[Key]) -> list[Value | None]:
            async with self._database.workspace(self._workspace) as connection:
                found = await read(connection, keys)
            return [found.get(key) for key in keys]

        return Shared(load)

    def _many(
        self, read: Callable[[Connection, Sequence[Key]], Awaitable[dict[Key, list[Value]]]]
    ) -> DataLoader[Key, list[Value]]:
        """Load a list per key, empty where there is nothing."""

        async def load(keys: list[Key]) -> list[list[Value]]:
            async with self._database.workspace(self._workspace) as connection:
                found = await read(connection, keys)
            return [found.get(key, []) for key in keys]

        return Shared(load)

    def _listed(self, read: Callable[[Connection, Sequence[Key]], Awaitable[list[Value]]]) -> DataLoader[Key, Value]:
        """Load what `read` returns in the order of the keys."""

        async def load(keys: list[Key]) -> list[Value]:
            async with self._database.workspace(self._workspace) as connection:
                return await read(connection, keys)

        return Shared(load)


async def load_each(
    loader: DataLoader[Key, Value], keys: Sequence[Key], shown: Callable[[Value], Any] = lambda value: value
) -> list[Any]:
    """Load the values of many keys in one go, each as `shown` makes it, or the exception that stands for it."""
    waiting = [loader.load(key) for key in keys]
    found: list[Any] = []
    for each in waiting:
        try:
            found.append(shown(await each))
        except Exception as error:  # noqa: BLE001 - it stands for the value
            found.append(error)
    return found


async def _agreed_memberships(
    connection: Connection, profiles: Sequence[UUID]
) -> dict[UUID, list[segments.Membership]]:
    """List the segments of those who agree to personalisation."""
    agreeing = await consents.agreeing(connection, profiles, Purpose.PERSONALIZATION)
    return await segments.memberships(connection, list(agreeing)) if agreeing else {}


async def _count_events(connection: Connection, keys: Sequence[UUID]) -> dict[UUID, int]:
    return await events.counts(connection, keys, COUNTED + 1)
