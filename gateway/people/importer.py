"""A file of people brought in: every row on the way of an identify event, past the same gate into the same log."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final
from uuid import UUID

import msgspec

from domain.clock import Clock, utc_now
from domain.consent import Statements
from domain.errors import StoreUnavailable
from domain.event import CallType
from domain.outcome import Outcome
from gateway.collect.batch import Batch, Item
from gateway.collect.decode import LARGEST_EVENT, InvalidEvent, Shared, read_call
from gateway.collect.pipeline import Pipeline, Step, build_steps
from gateway.losses import Losses
from gateway.metrics import Metrics
from gateway.people.columns import Columns, InvalidRow, message_id
from gateway.people.resemblances import Resemblance, Resemblances
from gateway.people.rows import Row
from gateway.provider import open_provider
from gateway.settings import Settings
from gateway.stores import open_stores
from gateway.subjects import Subjects
from gateway.workspace import Workspace, Workspaces
from privacy.ledger.record import DECLARED
from privacy.protect import Reason
from stores.eventlog.port import EventLog
from stores.events import seen_messages
from stores.postgres import Database
from stores.subject_cache import SubjectCache

AT_ONCE: Final = 500
"""Rows of one batch."""
_CONNECTIONS: Final = 2
_TAKEN: Final = frozenset({Outcome.ACCEPTED, Outcome.DUPLICATE})

Report = Callable[[int, float], None]
"""Hears how many rows are done, and the share of the file that has been read."""


class Terms(msgspec.Struct, frozen=True):
    """On what a file is brought in."""

    source: str
    """Who states its traits, as the precedence of sources knows them."""
    at: datetime | None = None
    """When it was true, for rows that do not say; None: now."""
    declared: Statements = {}
    """What the operator answers for, for every row; a refusal of a row or of its person still wins."""
    basis: str = ""
    """On what, in the words of the ledger."""
    columns: Mapping[str, str] = {}
    compare: bool | None = None
    """Whether rows are compared with one another; None: as the workspace compares people."""


class Problem(msgspec.Struct, frozen=True):
    """A row that was not taken, by its line, and why: a field's name, never a value."""

    line: int
    text: str


@dataclass(slots=True)
class Brought:
    """What became of a file."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    left_out: Counter[tuple[str, Reason]] = field(default_factory=Counter)
    """How many rows lost a field of this path for this reason."""
    alike: list[Resemblance] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many rows the file had."""
        return self.outcomes.total()

    def refuse(self, line: int, text: str, outcome: Outcome = Outcome.INVALID) -> None:
        """Note a row that cannot be taken."""
        self.outcomes[outcome] += 1
        self.problems.append(Problem(line, text))


class Importer:
    """Brings files in. `database` is of the app role; no row is on the log plain, and none is built twice."""

    def __init__(
        self, database: Database, workspaces: Workspaces, cache: SubjectCache, log: EventLog, clock: Clock
    ) -> None:
        metrics = Metrics()
        self._database = database
        self._workspaces = workspaces
        self._clock = clock
        self._losses = Losses(database, clock, metrics)
        subjects = Subjects(database, workspaces, cache, clock, metrics)
        self._pipeline = Pipeline(tuple(_steps(database, subjects, log, metrics)), metrics)

    async def run(self, workspace: UUID, rows: Iterable[Row], terms: Terms, report: Report) -> Brought:
        """Bring in every row that may be. Stopped, it is run again: rows that have been built are passed over.

        Raises `StoreUnavailable` at the first row that a store did not keep, `Refused` without a workspace.
        """
        known = await self._workspaces.get(workspace)
        brought, alike = Brought(), Resemblances(known)
        compare = known.rules.matching if terms.compare is None else terms.compare
        columns = Columns(known.plan.plan, terms.source, terms.columns)
        waiting = iter(rows)
        while some := list(islice(waiting, AT_ONCE)):
            known = await self._workspaces.get(workspace)
            items = self._items(known, some, columns, terms, brought)
            await self._collect(known, items, terms, brought)
            if compare:
                for line, item in items:
                    if item.result is not None and item.result.outcome in _TAKEN:
                        alike.add(line, item)
            report(brought.rows, some[-1].share)
        await self._losses.flush()
        brought.alike = await alike.put_up(self._database, self._clock)
        return brought

    def _items(
        self, workspace: Workspace, rows: Iterable[Row], columns: Columns, terms: Terms, brought: Brought
    ) -> list[tuple[int, Item]]:
        items = []
        for row in rows:
            try:
                items.append((row.line, self._item(workspace, row, columns, terms)))
            except (InvalidEvent, InvalidRow) as error:
                brought.refuse(row.line, str(error))
            except _Unasked as error:
                brought.refuse(row.line, str(error), Outcome.DROPPED_CONSENT)
        return items

    def _item(self, workspace: Workspace, row: Row, columns: Columns, terms: Terms) -> Item:
        if row.problem is not None:
            raise InvalidRow(row.problem)
        event = columns.event(row.values)
        if not terms.declared and "consent" not in event["context"]:
            raise _Unasked("consent: neither the row says what for, nor does --purposes")
        standing = [terms.declared, terms.basis]
        event["messageId"] = message_id(event, standing, workspace.keys.signing_key("import"))
        if terms.at is not None:
            event.setdefault("timestamp", terms.at)
        try:
            raw = msgspec.json.encode(event)
        except (TypeError, ValueError, RecursionError):
            raise InvalidRow("holds what JSON cannot") from None
        if len(raw) > LARGEST_EVENT:
            raise InvalidRow(f"larger than {LARGEST_EVENT // 1024} KB")
        return Item(raw, call=read_call(raw, CallType.IDENTIFY, Shared(), self._clock()))

    async def _collect(
        self, workspace: Workspace, items: list[tuple[int, Item]], terms: Terms, brought: Brought
    ) -> None:
        declared = (terms.declared,) if terms.declared else ()
        batch = Batch(
            workspace, [item for _, item in items], self._clock(), declared=declared, basis=terms.basis or DECLARED
        )
        await self._pipeline.run(batch)
        self._losses.count(workspace.id, batch.losses)
        brought.left_out.update(batch.losses)
        for line, item in items:
            result = item.result
            if result is None or result.outcome is Outcome.UNAVAILABLE:
                raise StoreUnavailable(f"line {line} could not be kept; run it again: no row is taken twice")
            if result.outcome in (Outcome.INVALID, Outcome.TOO_LARGE):
                brought.refuse(line, result.message or "cannot be taken")
            else:
                brought.outcomes[result.outcome] += 1


class _PassKnown:
    """Ends what has been built before: the file was brought in already, or its first run was stopped."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, batch: Batch) -> None:
        waiting = [(item, call.message_id) for item, call in batch.open]
        async with self._database.workspace(batch.workspace.id) as connection:
            seen = await seen_messages(connection, batch.workspace.id, [message for _, message in waiting])
        for item, message in waiting:
            if message in seen:
                item.end(Outcome.DUPLICATE)


class _Unasked(Exception):
    """Nobody says what a row may be kept for."""


def _steps(database: Database, subjects: Subjects, log: EventLog, metrics: Metrics) -> Iterator[tuple[str, Step]]:
    """Give the steps of collection after the decoding; what is known is passed over once it has its subject."""
    for name, step in build_steps(subjects, log, metrics)[1:]:
        yield name, step
        if name == "enrol":
            yield "known", _PassKnown(database)


@asynccontextmanager
async def open_importer(settings: Settings, clock: Clock = utc_now) -> AsyncIterator[Importer]:
    """Open the stores, and close them at the end. Raises as `open_resources` does."""
    async with (
        open_provider(settings) as provider,
        open_stores(settings, role="app", connections=_CONNECTIONS) as (database, redis, log),
    ):
        yield Importer(database, Workspaces(database, provider), SubjectCache(redis), log, clock)
