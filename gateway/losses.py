"""Counts the fields that were left out of events, and writes the counts down behind the answers' backs."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import structlog

from domain.clock import Clock
from gateway.metrics import Metrics
from privacy.protect import Reason
from stores.losses import MOST_NAMES, add_losses
from stores.outage import STORE_FAULTS
from stores.postgres import Database

_EVERY_SECONDS: Final = 3.0
_MOST_WORKSPACES: Final = 1_000

_log = structlog.get_logger()


class Losses:
    """Keeps counts in memory for a few seconds. A process that is killed loses those, and nothing else."""

    def __init__(self, database: Database, clock: Clock, metrics: Metrics) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._waiting: dict[UUID, Counter[tuple[str, str]]] = {}

    def count(self, workspace: UUID, losses: Mapping[tuple[str, Reason], int]) -> None:
        """Take in what one batch lost: (path, reason) → events."""
        for (path, reason), times in losses.items():
            self._metrics.fields_dropped.labels(path.partition(".")[0], reason).inc(times)
        if len(self._waiting) >= _MOST_WORKSPACES and workspace not in self._waiting:
            return
        counts = self._waiting.setdefault(workspace, Counter())
        for (path, reason), times in losses.items():
            name = (path, reason.value)
            known = name in counts or len(counts) < MOST_NAMES
            counts[name if known else (f"{path.partition('.')[0]}.?", reason.value)] += times

    async def run(self) -> None:
        """Write counts down every few seconds, until cancelled, and a last time then."""
        try:
            while True:
                await asyncio.sleep(_EVERY_SECONDS)
                await self.flush()
        except asyncio.CancelledError:
            await self.flush()
            raise

    async def flush(self) -> None:
        """Write down what waits. Where the store does not answer, it waits on."""
        waiting, self._waiting = self._waiting, {}
        for workspace, counts in waiting.items():
            try:
                async with self._database.workspace(workspace) as connection:
                    await add_losses(connection, workspace, counts, self._clock())
            except STORE_FAULTS as error:
                _log.warning("losses_not_written", problem=type(error).__name__)
                self._waiting.setdefault(workspace, Counter()).update(counts)
