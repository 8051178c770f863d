"""From the stored events to a published model: read, judge, fit, publish. Work for a process of its own."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
import uuid_utils.compat

from domain.clock import Clock
from domain.errors import Refused
from learning.fitting import fit_model, starting_recipe
from learning.gate import Judgement, judge_candidate
from learning.gathering import Gathered, Gathering
from learning.gleaning import HORIZON, NAMES
from learning.model import Damaged, Model, pack, unpack
from stores.interactions import read_interactions
from stores.models import ModelRow, add_model, go_live, last_rolled_back, live_model, read_arrays
from stores.postgres import Connection, Database
from stores.recommender import save_trained, try_own_training
from stores.served import forget_served

Progress = Callable[[str, float], None]
"""Told what is being done, and the share of it that is done; 0 where that cannot be told."""

_KEEP_LISTS: Final = timedelta(days=90)

_log = structlog.get_logger(__name__)


class Trainer:
    """Trains the models of workspaces. `database` is of the worker role. Raises `StoreUnavailable`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def train(self, workspace: UUID, report: Progress = lambda _what, _share: None) -> ModelRow:
        """Train, judge, and publish what may go live; return the version with its report, published or refused.

        Raises `Refused` when another process is at it.
        """
        async with self._database.hold() as lock:
            if not await try_own_training(lock, workspace):
                raise Refused("another process is training this workspace", code="conflict")
            began = self._clock()
            async with self._database.across() as connection:
                gathered = await self._read(connection, workspace, report)
                live, model = await _live(connection, workspace)
                taken_back = await last_rolled_back(connection, workspace)
            through = live.trained_through.timestamp() if live else 0.0
            if taken_back and _knows_no_more(gathered, taken_back):
                judgement, packed, digest = _as_before(gathered, taken_back), None, b""
            else:
                judgement, packed, digest = await asyncio.to_thread(
                    _work, gathered, model, through, began.timestamp(), report
                )
            row = ModelRow(
                id=uuid_utils.compat.uuid7(),
                version=0,
                status="published" if packed else "refused",
                report=_report(gathered, judgement, (self._clock() - began).total_seconds()),
                hash=digest,
                trained_through=_through(gathered),
                created_at=self._clock(),
            )
            return await self._store(workspace, row, packed, began)

    async def _read(self, connection: Connection, workspace: UUID, report: Progress) -> Gathered:
        gathering = Gathering()
        async for columns in read_interactions(connection, workspace, NAMES, self._clock() - HORIZON):
            gathering.take(columns)
            report(f"reading, {gathering.events:,} so far", 0.0)
        return gathering.finish()

    async def _store(self, workspace: UUID, row: ModelRow, packed: bytes | None, began: datetime) -> ModelRow:
        async with self._database.across() as connection, connection.transaction():
            stored = await add_model(connection, workspace, row, packed)
            if packed:
                await go_live(connection, workspace, stored.id, self._clock())
            # Only here: a training that was killed has not been one.
            await save_trained(connection, workspace, began)
            await forget_served(connection, workspace, self._clock() - _KEEP_LISTS)
        return stored


def _through(gathered: Gathered) -> datetime:
    return datetime.fromtimestamp(gathered.newest, UTC)


def _knows_no_more(gathered: Gathered, taken_back: ModelRow) -> bool:
    """Tell whether there is nothing to learn but what a version that was rolled back had learned."""
    return _through(gathered) <= taken_back.trained_through and gathered.events <= taken_back.report["events"]


def _as_before(gathered: Gathered, taken_back: ModelRow) -> Judgement:
    recipe = starting_recipe(gathered.interactions)
    reason = f"there are no events but those of version {taken_back.version}, which was rolled back"
    return Judgement(recipe, None, None, None, None, None, passed=False, reason=reason)


def _work(
    gathered: Gathered, live: Model | None, live_through: float, now: float, report: Progress
) -> tuple[Judgement, bytes | None, bytes]:
    judgement = judge_candidate(gathered.interactions, live, live_through, now, report)
    if not judgement.passed:
        return judgement, None, b""
    packed, digest = pack(fit_model(gathered.interactions, gathered.orders, judgement.recipe, now, report))
    return judgement, packed, digest


async def _live(connection: Connection, workspace: UUID) -> tuple[ModelRow | None, Model | None]:
    live = await live_model(connection, workspace)
    if live is None:
        return None, None
    try:
        return live, unpack(await read_arrays(connection, workspace, live.id), live.hash)
    except Damaged as problem:
        # A live model that nobody can read must not stand in the way of the next.
        _log.error("live_model_damaged", model=str(live.id), problem=str(problem))
        return None, None


def _report(gathered: Gathered, judgement: Judgement, seconds: float) -> dict[str, Any]:
    counts = {
        "events": gathered.events,
        "people": gathered.interactions.people_count,
        "items": gathered.interactions.item_count,
        "interactions": len(gathered.interactions),
        "orders": len(gathered.orders),
        "seconds": round(seconds, 1),
    }
    return {**counts, **msgspec.to_builtins(judgement)}
