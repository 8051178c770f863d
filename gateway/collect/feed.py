"""Tells the operator's console what is being collected, as long as someone looks on."""

import asyncio
import time
from typing import Final
from uuid import UUID

from domain.errors import StoreUnavailable
from domain.outcome import Outcome
from gateway.collect.batch import Batch, Item
from gateway.metrics import Metrics
from stores.feed import Feed, FeedEntry

_WAITING_AT_MOST: Final = 100
_HEARD_FRESH_SECONDS: Final = 1.0


class LiveFeed:
    """Publishes batches behind the answers' backs: never awaited by a request, and dropped when it falls behind."""

    def __init__(self, feed: Feed, metrics: Metrics) -> None:
        self._feed = feed
        self._metrics = metrics
        self._waiting: asyncio.Queue[tuple[UUID, list[FeedEntry]]] = asyncio.Queue(_WAITING_AT_MOST)
        self._heard: dict[UUID, tuple[float, bool]] = {}

    def offer(self, batch: Batch) -> None:
        """Take a finished batch along, if it may be that someone listens."""
        workspace = batch.workspace.id
        asked_at, heard = self._heard.get(workspace, (0.0, True))
        if not heard and time.monotonic() - asked_at < _HEARD_FRESH_SECONDS:
            return
        try:
            self._waiting.put_nowait((workspace, [_entry(batch, item) for item in batch.items]))
        except asyncio.QueueFull:
            self._metrics.feed_skipped.inc()

    async def run(self) -> None:
        """Publish what is offered, until cancelled."""
        while True:
            workspace, entries = await self._waiting.get()
            try:
                if await self._is_heard(workspace):
                    await self._feed.publish(workspace, entries)
            except StoreUnavailable:
                self._heard[workspace] = (time.monotonic(), False)

    async def _is_heard(self, workspace: UUID) -> bool:
        asked_at, heard = self._heard.get(workspace, (0.0, False))
        if time.monotonic() - asked_at >= _HEARD_FRESH_SECONDS:
            heard = await self._feed.heard(workspace)
            self._heard[workspace] = (time.monotonic(), heard)
        return heard


def _entry(batch: Batch, item: Item) -> FeedEntry:
    """Show an accepted event by its protected name; of others a name only where the tracking plan has it too."""
    result = item.result
    accepted = item.event if result is not None and result.outcome is Outcome.ACCEPTED else None
    planned = item.call is not None and item.call.name in batch.workspace.plan.plan.events
    name = accepted.name if accepted else item.call.name if planned and item.call else ""
    return FeedEntry(
        at=batch.received_at,
        message_id=result.message_id if result else "",
        outcome=result.outcome if result else Outcome.UNAVAILABLE,
        type=item.call.type if item.call else None,
        name=name,
        reason=result.message or result.code if result else None,
        profile_id=item.subject.profile_id if accepted and item.subject else None,
    )
