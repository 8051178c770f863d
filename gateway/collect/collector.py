"""Collection as the routes see it: an envelope goes in, results come out."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import structlog

from domain.clock import Clock
from domain.consent import Statements
from domain.errors import StoreUnavailable
from domain.event import CallType
from domain.outcome import Outcome, Result
from domain.tracing import UNTRACED, Tracer
from gateway.collect.arrival import Arrival
from gateway.collect.batch import Batch
from gateway.collect.decode import Envelope, read_sent_at
from gateway.collect.feed import LiveFeed
from gateway.collect.pipeline import Pipeline
from gateway.collect.spooling import Spooling
from gateway.losses import Losses
from gateway.patience import within
from gateway.workspace import Workspaces

_DIRECT_SECONDS: Final = 1.5
"""How long a request with a spool behind it waits while the stores answer nobody."""

_LOG = structlog.get_logger(__name__)


class Collector:
    """Turns envelopes into batches, runs them, counts what they lost, and shows them on the live feed.

    While a store is away, and with a spool, requests are kept on the disk instead and run by `run` later.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        workspaces: Workspaces,
        *,
        feed: LiveFeed,
        losses: Losses,
        clock: Clock,
        spooling: Spooling | None = None,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._pipeline = pipeline
        self._workspaces = workspaces
        self._feed = feed
        self._losses = losses
        self._clock = clock
        self._spooling = spooling
        self._tracer = tracer
        self._late: set[asyncio.Task[Batch]] = set()
        self._worked_at = float("-inf")
        """When a request last came through on the direct way."""

    async def collect(
        self,
        workspace: UUID,
        envelope: Envelope,
        *,
        call_type: CallType | None = None,
        headers: Mapping[str, str] | None = None,
        address: str | None = None,
        declared: tuple[Statements, ...] = (),
    ) -> list[Result]:
        """Collect all events of an envelope and return their results in order.

        `headers` are those that speak of consent, `declared` what the operator answers for. Raises
        `StoreUnavailable` when not even the workspace can be read and there is no spool.
        """
        arrival = Arrival(
            workspace=workspace,
            received_at=self._clock(),
            events=tuple(bytes(raw) for raw in envelope.batch),
            call_type=call_type,
            sent_at=read_sent_at(envelope.sent_at),
            context=envelope.context or {},
            address=address,
            headers=dict(headers or {}),
            declared=tuple(dict(each) for each in declared),
            traceparent=self._tracer.here(),
        )
        spooling = self._spooling
        if spooling is None:
            return _results(await self.run(arrival))
        if await spooling.diverts():
            return await spooling.divert(arrival)
        return await self._try(arrival, spooling)

    async def run(self, arrival: Arrival) -> Batch:
        """Bring all events of a request to their end. Raises `StoreUnavailable`, and `Refused` without a workspace."""
        return await self._run(arrival, arrival.batch(await self._workspaces.get(arrival.workspace)))

    async def _try(self, arrival: Arrival, spooling: Spooling) -> list[Result]:
        """Run a request, but keep it on the disk as soon as a store fails or takes too long.

        What takes too long goes on beside it, since a store in such a state may not even let go in time. An event that
        comes to the log by both ways is built once, as both name it by the same message id.
        """
        try:
            workspace = self._workspaces.fresh(arrival.workspace)
            if workspace is None:
                workspace = await within(_DIRECT_SECONDS, self._workspaces.get(arrival.workspace))
        except (StoreUnavailable, TimeoutError):
            return await spooling.divert(arrival)
        batch = arrival.batch(workspace)
        running = asyncio.create_task(self._run(arrival, batch))
        try:
            while not running.done():
                since = time.monotonic()
                await asyncio.wait([running], timeout=_DIRECT_SECONDS)
                if self._worked_at < since:
                    break  # nothing at all has come through meanwhile: it is not that there is much to do
        except asyncio.CancelledError:
            running.cancel()
            raise
        if running.done():
            running.result()
        elif any(item.call is None and item.result is None for item in batch.items):
            running.cancel()  # it has not come to the first step, so no event has an id yet
            return await spooling.divert(arrival)
        else:
            self._late.add(running)
            running.add_done_callback(self._settle)
        if any(item.result is None or item.result.outcome is Outcome.UNAVAILABLE for item in batch.items):
            return await spooling.keep(arrival, batch)
        self._worked_at = time.monotonic()
        return _results(batch)

    def _settle(self, late: "asyncio.Task[Batch]") -> None:
        self._late.discard(late)
        if not late.cancelled() and (error := late.exception()) is not None:
            _LOG.warning("late_request_failed", error=type(error).__name__)

    async def close(self) -> None:
        """Give up on what takes too long: it is kept on the disk."""
        for late in self._late:
            late.cancel()
        if self._late:
            await asyncio.wait(self._late, timeout=_DIRECT_SECONDS)

    async def _run(self, arrival: Arrival, batch: Batch) -> Batch:
        with self._tracer.span("collect", arrival.traceparent) as span:
            await self._pipeline.run(batch)
            span.tell({"tagway.workspace": str(arrival.workspace), "messaging.batch.message_count": len(batch.items)})
        if batch.losses:
            self._losses.count(arrival.workspace, batch.losses)
        self._feed.offer(batch)
        return batch


def _results(batch: Batch) -> list[Result]:
    return [item.result for item in batch.items if item.result is not None]
