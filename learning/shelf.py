"""What serving a workspace needs, in memory: the live model, the catalogue by its codes, the policy."""

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from domain.clock import Clock
from domain.errors import Refused, StoreUnavailable
from domain.item import Item
from learning.catalogue import Catalogue
from learning.model import Damaged, Model, unpack
from learning.policy import Policy, read_policy
from stores.items import changed_items
from stores.models import live_model, read_arrays
from stores.postgres import Connection, Database
from stores.recommender import Signs, read_signs
from stores.recommender import read_policy as read_policy_document

_LOOK_EVERY: Final = 0.5
_OLD: Final = 1.0
_WAIT: Final = 0.25

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shelf:
    """One consistent state. Whoever holds it keeps it to the end of the request, whatever goes live meanwhile."""

    signs: Signs
    model: Model | None
    model_version: int | None
    catalogue: Catalogue
    policy: Policy

    @property
    def stamp(self) -> str:
        """Names the state: lists made from another are not served."""
        return f"{self.signs.model} {self.signs.policy_at} {self.signs.items_at}"


class Shelves:
    """Hands out the shelf of a workspace and looks twice a second whether anything has changed.

    The look and what it loads happen beside the requests, which are served from the shelf there is. Only where nobody
    has asked for a second or more, the first to ask waits for the look, though not for long.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._shelves: dict[UUID, Shelf] = {}
        self._looked: dict[UUID, float] = {}
        self._looks: dict[UUID, asyncio.Task[None]] = {}
        self._first: dict[UUID, asyncio.Lock] = {}

    async def get(self, workspace: UUID) -> Shelf:
        """Return the shelf as it was a second ago at most, plus what loading takes. Raises `StoreUnavailable`."""
        if workspace not in self._shelves:
            async with self._first.setdefault(workspace, asyncio.Lock()):
                if workspace not in self._shelves:
                    await self._look(workspace)
            return self._shelves[workspace]
        age = self._clock().timestamp() - self._looked[workspace]
        if age >= _LOOK_EVERY and workspace not in self._looks:
            self._looks[workspace] = asyncio.create_task(self._look_again(workspace), name="shelf")
            if age >= _OLD:
                await asyncio.wait([self._looks[workspace]], timeout=_WAIT)
        return self._shelves[workspace]

    async def close(self) -> None:
        """End the looks under way."""
        for look in list(self._looks.values()):
            look.cancel()
        await asyncio.gather(*self._looks.values(), return_exceptions=True)

    async def _look_again(self, workspace: UUID) -> None:
        try:
            await self._look(workspace)
        except StoreUnavailable as problem:
            self._looked[workspace] = self._clock().timestamp()
            _log.warning("shelf_not_looked_at", problem=str(problem))
        finally:
            del self._looks[workspace]

    async def _look(self, workspace: UUID) -> None:
        known = self._shelves.get(workspace)
        async with self._database.workspace(workspace) as connection:
            signs = await read_signs(connection, workspace)
            found = known if known and signs == known.signs else await _load(connection, workspace, signs, known)
        self._looked[workspace] = self._clock().timestamp()
        self._shelves[workspace] = found


async def _load(connection: Connection, workspace: UUID, signs: Signs, known: Shelf | None) -> Shelf:
    model, version = known.model if known else None, known.model_version if known else None
    if known is None or signs.model != known.signs.model:
        model, version = await _load_model(connection, workspace)
    policy = known.policy if known else Policy()
    if known is None or signs.policy_at != known.signs.policy_at:
        policy = _policy(await read_policy_document(connection, workspace))
    catalogue = await _load_catalogue(connection, workspace, signs, known, model)
    return Shelf(signs, model, version, catalogue, policy)


async def _load_model(connection: Connection, workspace: UUID) -> tuple[Model | None, int | None]:
    live = await live_model(connection, workspace)
    if live is None:
        return None, None
    slices = await read_arrays(connection, workspace, live.id)
    try:
        return await asyncio.to_thread(unpack, slices, live.hash), live.version
    except Damaged as problem:
        _log.error("model_damaged", model=str(live.id), problem=str(problem))
        return None, None


async def _load_catalogue(
    connection: Connection, workspace: UUID, signs: Signs, known: Shelf | None, model: Model | None
) -> Catalogue:
    if known is not None and known.model is model:
        if known.signs.items_at == signs.items_at:
            return known.catalogue
        return await asyncio.to_thread(known.catalogue.changed, await _items(connection, workspace, known.signs))
    items = await _items(connection, workspace, None)
    return await asyncio.to_thread(Catalogue.of, items, model.item_ids if model else ())


async def _items(connection: Connection, workspace: UUID, known: Signs | None) -> dict[str, Item | None]:
    items: dict[str, Item | None] = {}
    async for some in changed_items(connection, workspace, known.items_at if known else None):
        items.update((each.id, each.item) for each in some)
    return items


def _policy(document: object) -> Policy:
    try:
        return read_policy(document)
    except Refused as problem:
        _log.error("policy_unreadable", problem=str(problem))
        return Policy()
