"""Collection as the routes see it: an envelope goes in, results come out."""

from collections.abc import Mapping
from uuid import UUID

from domain.clock import Clock
from domain.consent import Statements
from domain.errors import StoreUnavailable
from domain.event import CallType
from domain.outcome import Outcome, Result
from gateway.collect.arrival import Arrival
from gateway.collect.batch import Batch
from gateway.collect.decode import Envelope, read_sent_at
from gateway.collect.feed import LiveFeed
from gateway.collect.pipeline import Pipeline
from gateway.collect.spooling import Spooling
from gateway.losses import Losses
from gateway.workspace import Workspaces


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
    ) -> None:
        self._pipeline = pipeline
        self._workspaces = workspaces
        self._feed = feed
        self._losses = losses
        self._clock = clock
        self._spooling = spooling

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
        )
        spooling = self._spooling
        if spooling is None:
            return _results(await self.run(arrival))
        if await spooling.diverts():
            return await spooling.divert(arrival)
        try:
            batch = await self.run(arrival)
        except StoreUnavailable:
            return await spooling.divert(arrival)
        if any(item.result is not None and item.result.outcome is Outcome.UNAVAILABLE for item in batch.items):
            return await spooling.keep(arrival, batch)
        return _results(batch)

    async def run(self, arrival: Arrival) -> Batch:
        """Bring all events of a request to their end. Raises `StoreUnavailable`, and `Refused` without a workspace."""
        batch = arrival.batch(await self._workspaces.get(arrival.workspace))
        await self._pipeline.run(batch)
        if batch.losses:
            self._losses.count(arrival.workspace, batch.losses)
        self._feed.offer(batch)
        return batch


def _results(batch: Batch) -> list[Result]:
    return [item.result for item in batch.items if item.result is not None]
