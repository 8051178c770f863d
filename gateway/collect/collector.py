"""Collection as the routes see it: an envelope goes in, results come out."""

from collections.abc import Mapping
from uuid import UUID

from domain.clock import Clock
from domain.consent import Statements
from domain.event import CallType
from domain.outcome import Result
from gateway.collect.batch import Batch, Item
from gateway.collect.decode import Envelope, Shared, read_sent_at
from gateway.collect.pipeline import Pipeline
from gateway.feed import LiveFeed
from gateway.losses import Losses
from gateway.workspace import Workspaces


class Collector:
    """Turns envelopes into batches, runs them, counts what they lost, and shows them on the live feed."""

    def __init__(
        self, pipeline: Pipeline, workspaces: Workspaces, *, feed: LiveFeed, losses: Losses, clock: Clock
    ) -> None:
        self._pipeline = pipeline
        self._workspaces = workspaces
        self._feed = feed
        self._losses = losses
        self._clock = clock

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
        `StoreUnavailable` when not even the workspace can be read.
        """
        batch = Batch(
            workspace=await self._workspaces.get(workspace),
            items=[Item(bytes(raw)) for raw in envelope.batch],
            received_at=self._clock(),
            call_type=call_type,
            shared=Shared(read_sent_at(envelope.sent_at), envelope.context or {}, address),
            headers=headers or {},
            declared=declared,
        )
        results = await self._pipeline.run(batch)
        if batch.losses:
            self._losses.count(workspace, batch.losses)
        self._feed.offer(batch)
        return results
