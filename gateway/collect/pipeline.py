"""Collection as an ordered list of named steps over a batch."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from domain.errors import TagwayError
from domain.outcome import Outcome, Result
from domain.tracing import UNTRACED, Tracer
from gateway.collect.batch import Batch
from gateway.collect.consent import RecordConsent
from gateway.collect.prove import Prove
from gateway.collect.steps import (
    Append,
    Enrol,
    LookUp,
    ReadSignals,
    ask_gate,
    decode,
    deduplicate,
    protect_events,
    validate,
)
from gateway.metrics import Metrics
from gateway.subjects import Subjects
from stores.eventlog.port import EventLog

Step = Callable[[Batch], Awaitable[None]]


def build_steps(
    subjects: Subjects, log: EventLog, metrics: Metrics, tracer: Tracer = UNTRACED
) -> tuple[tuple[str, Step], ...]:
    """List the steps in the order in which an event takes them."""
    return (
        ("decode", decode),
        ("validate", validate),
        ("look_up", LookUp(subjects)),
        ("read_signals", ReadSignals(metrics)),
        ("record_consent", RecordConsent(subjects)),
        ("gate", ask_gate),
        ("deduplicate", deduplicate),
        ("enrol", Enrol(subjects)),
        ("prove", Prove(subjects)),
        ("protect", protect_events),
        ("append", Append(log, tracer)),
    )


class Pipeline:
    """Runs batches through the steps, and times each."""

    def __init__(self, steps: Sequence[tuple[str, Step]], metrics: Metrics, tracer: Tracer = UNTRACED) -> None:
        self._steps: Final = tuple(steps)
        self._seconds = {name: metrics.step_seconds.labels(name) for name, _ in self._steps}
        self._tracer = tracer

    async def run(self, batch: Batch) -> list[Result]:
        """Bring every event of the batch to its end and return the results in the order of the events.

        A store that does not answer ends those that still need it as unavailable. Raises nothing for an event's sake.
        """
        for name, step in self._steps:
            if all(item.result is not None for item in batch.items):
                break
            started = time.perf_counter()
            with self._tracer.span(name):
                try:
                    await step(batch)
                except TagwayError as error:
                    batch.end_open(Outcome.UNAVAILABLE, error.code)
            self._seconds[name].observe(time.perf_counter() - started)
        return [item.result for item in batch.items if item.result is not None]
