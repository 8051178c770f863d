"""What does an event cost on its way through the steps of collection, when every store answers at once?"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast
from uuid import UUID, uuid4

import msgspec

from bench.event import EVENTS, GRANTED, make_event
from domain.alias import Alias, Subject
from domain.clock import utc_now
from domain.consent import State
from domain.errors import TagwayError
from gateway.collect.arrival import Arrival
from gateway.collect.batch import Batch
from gateway.collect.decode import read_batch
from gateway.collect.pipeline import Step, build_steps
from gateway.metrics import Metrics
from gateway.subjects import Subjects
from gateway.workspace import Workspace
from privacy.compiled import CompiledPlan
from privacy.keys import WorkspaceKeys, new_key
from privacy.plan import default_document, read_plan
from privacy.signals.mapping import DEFAULT
from stores.eventlog.port import EventLog, Record
from stores.ledger.records import Claim
from stores.subjects import Standing

ROUNDS = 300


class _Present:
    """Subjects that everybody is known to, with no store behind them."""

    def __init__(self, keys: WorkspaceKeys) -> None:
        self._keys = keys
        self._known: dict[Alias, Subject] = {}

    async def look_up(self, _workspace: Workspace, aliases: Collection[Alias]) -> Standing:
        """Know everyone."""
        for alias in aliases:
            if alias not in self._known:
                own = uuid4()
                consent = dict.fromkeys(GRANTED, State.GRANTED)
                records = dict.fromkeys(GRANTED, 1)
                self._known[alias] = Subject(own, own, self._keys.new_wrapped_key(), consent, records=records)
        return Standing({alias: self._known[alias] for alias in aliases}, frozenset())

    async def enrol(self, _workspace: Workspace, _aliases: Iterable[Alias]) -> dict[Alias, Subject]:
        """Find nobody left to enrol."""
        return {}

    async def record_claims(self, _workspace: UUID, _words: object) -> dict[Claim, int]:
        """Find nothing left to record."""
        return {}


class _Void:
    """A log that keeps nothing."""

    async def append(self, _topic: str, records: Sequence[Record]) -> list[TagwayError | None]:
        """Acknowledge at once."""
        return [None] * len(records)


async def step_costs() -> Mapping[str, float]:
    """Measure each step: microseconds of processor time for one event, in the round that was disturbed least."""
    keys = WorkspaceKeys(uuid4(), new_key())
    workspace = Workspace(keys.workspace, keys, CompiledPlan(read_plan(default_document())), 1, {}, DEFAULT)
    steps = build_steps(cast("Subjects", _Present(keys)), cast("EventLog", _Void()), Metrics())
    body = msgspec.json.encode({"batch": [make_event() for _ in range(EVENTS)]})
    costs: dict[str, float] = {}
    for _ in range(ROUNDS):
        started = time.thread_time()
        envelope = read_batch(body)
        arrival = Arrival(keys.workspace, utc_now(), tuple(bytes(raw) for raw in envelope.batch))
        batch = arrival.batch(workspace)
        _note(costs, "read the request", started)
        for name, step in steps:
            await _measure(costs, name, step, batch)
    return {name: 1e6 * seconds / EVENTS for name, seconds in costs.items()}


async def _measure(costs: dict[str, float], name: str, step: Step, batch: Batch) -> None:
    started = time.thread_time()
    await step(batch)
    _note(costs, name, started)


def _note(costs: dict[str, float], name: str, started: float) -> None:
    spent = time.thread_time() - started
    costs[name] = min(spent, costs.get(name, spent))
