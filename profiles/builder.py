"""From the log into the profiles: some batches are one transaction, with the offsets of their partitions.

A crash anywhere leaves either all of a batch's effects or none, and a batch that comes twice has no second effect.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from domain.alias import Alias
from domain.errors import LogUnavailable, StoreUnavailable
from domain.tracing import UNTRACED, Tracer, spans
from privacy.keys import WorkspaceKeys
from profiles.batch import Built, Step
from profiles.part import Decoded, Part, Unbuilt, read_part
from profiles.workshop import Workshop
from stores.changes import call_publisher
from stores.eventlog.port import Batch
from stores.faults import Contended, Unfit, transaction
from stores.offsets import bury, lock_offsets, read_offsets, save_offsets
from stores.postgres import Connection
from stores.workspace_keys import hold_keys

GROUP: Final = "builders"

Forget = Callable[[UUID, Collection[Alias]], Awaitable[None]]
ForgetRecords = Callable[[Collection[bytes]], Awaitable[object]]
Tell = Callable[[UUID, Collection[UUID]], Awaitable[None]]
Places = Mapping[str | None, str]
"""The traceparents of records, each with that of what comes of it."""
OpenKeys = Callable[[UUID, int], Awaitable[WorkspaceKeys]]

_LOG = structlog.get_logger(__name__)
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_CONTENDED_PAUSE: Final = 0.01


class Builder:
    """Builds batches. Several may run at once, in one process or in many, on the same log and database.

    `forget` is told of aliases whose cached subject is old once a merge is committed, `forget_records` of the keys of
    records that came after their person was erased, `wake_timers` of the soonest timer that was written, `tell` of the
    profiles that are other than they were. `open_keys` gives the keys of a workspace as of a stamp.
    """

    def __init__(
        self,
        workshop: Workshop,
        *,
        forget: Forget | None = None,
        forget_records: ForgetRecords | None = None,
        open_keys: OpenKeys | None = None,
        wake_timers: Callable[[datetime], None] | None = None,
        tell: Tell | None = None,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._database = workshop.database
        self._clock = workshop.clock
        self._metrics = workshop.metrics
        self._catalogue = workshop.catalogue
        self._memory = workshop.memory
        self._precedence = workshop.precedence
        self._forget = forget
        self._forget_records = forget_records
        self._open_keys = open_keys
        self._wake_timers = wake_timers
        self._tell = tell
        self._tracer = tracer

    async def start_offsets(self, topic: str, partitions: Collection[int]) -> dict[int, int]:
        """Tell a consumer where to read on. Raises `StoreUnavailable`."""
        async with self._database.across() as connection:
            return await read_offsets(connection, GROUP, topic, partitions)

    async def go_on_at(self, topic: str, offsets: Mapping[int, int]) -> None:
        """Have partitions built from these offsets on, whatever of them has been built.

        Raises `StoreUnavailable`, `Contended`.
        """
        async with self._database.across() as connection, transaction(connection):
            await lock_offsets(connection, GROUP, topic, offsets)
            await save_offsets(connection, GROUP, topic, offsets)

    async def build(self, batches: Sequence[Batch]) -> None:
        """Return once batches of one topic, each of another partition, have had their effect.

        Waits for a store that is away; never gives up on one.
        """
        with self._precedence.live():
            await self._isolate(batches[0].topic, [read_part(batch) for batch in batches])

    async def _isolate(self, topic: str, parts: Sequence[Part]) -> None:
        """Build all together; where one record is at fault, part and halve until it stands alone."""
        try:
            await self._persist(topic, parts)
        except Unfit as fault:
            if len(parts) > 1:
                for part in parts:
                    await self._isolate(topic, [part])
                return
            [part] = parts
            if len(part.decoded) > 1:
                for half in part.halves():
                    await self._isolate(topic, [half])
                return
            [(record, event)] = part.decoded
            unfit = [*part.unfit, Unbuilt(record, event.workspace, str(fault))]
            await self._persist(topic, [Part(part.partition, [], unfit, part.next_offset)])

    async def _persist(self, topic: str, parts: Sequence[Part]) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                traceparents = (record.traceparent for part in parts for record, _ in part.decoded)
                with spans(self._tracer, "build", traceparents) as places:
                    await self._attempt(topic, parts, places)
            except Contended:
                self._metrics.contended.inc()
                await asyncio.sleep(_CONTENDED_PAUSE)
            except StoreUnavailable as error:
                _LOG.warning("store_unavailable", problem=error.detail, retry_in=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    async def _attempt(self, topic: str, parts: Sequence[Part], places: Places) -> None:
        async with self._database.across() as connection:
            async with transaction(connection):
                starts = await lock_offsets(connection, GROUP, topic, [part.partition for part in parts])
                left = [
                    part.since(starts[part.partition]) for part in parts if part.next_offset > starts[part.partition]
                ]
                if not left:
                    return
                due = [each for part in left for each in part.decoded]
                results, strangers = await self._build(connection, due, places)
                buried = [*(each for part in left for each in part.unfit), *strangers]
                for record, workspace, reason in buried:
                    await bury(connection, topic, record, workspace=workspace, reason=reason, at=self._clock())
                await save_offsets(connection, GROUP, topic, {part.partition: part.next_offset for part in left})
            if any(built.changes for built in results):
                await call_publisher(connection)
        if due:
            oldest = min(event.received_at for _, event in due)
            self._metrics.behind.observe((self._clock() - oldest).total_seconds())
        await self._report(results, len(buried))
        await self._empty(due, results)

    async def _build(
        self, connection: Connection, decoded: Sequence[Decoded], places: Places
    ) -> tuple[list[Built], list[Unbuilt]]:
        by_workspace: dict[UUID, list[Decoded]] = defaultdict(list)
        for record, event in decoded:
            by_workspace[event.workspace].append((record, event))
        results: list[Built] = []
        strangers: list[Unbuilt] = []
        for workspace, those in sorted(by_workspace.items()):
            keys = await self._keys(connection, workspace)
            definitions = await self._catalogue.share(connection, workspace)
            if definitions is None:
                strangers += [Unbuilt(record, workspace, "unknown workspace") for record, _ in those]
                continue
            events = [event for _, event in those]
            try:
                step = Step(
                    connection,
                    workspace,
                    definitions,
                    memory=self._memory,
                    now=self._clock(),
                    keys=keys,
                    places={
                        event.message_id: places[record.traceparent]
                        for record, event in those
                        if record.traceparent is not None
                    },
                )
                built = await step.build(events)
            except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
                # Whatever a record holds that this code did not foresee must not stop the records behind it.
                _LOG.exception("build_failed", problem=type(error).__name__)
                raise Unfit(f"could not be built: {type(error).__name__}") from error
            unknown = {id(event) for event in built.strangers}
            strangers += [
                Unbuilt(record, workspace, "unknown subject") for record, event in those if id(event) in unknown
            ]
            results.append(built)
        return results, strangers

    async def _keys(self, connection: Connection, workspace: UUID) -> WorkspaceKeys | None:
        """Hold a workspace's keys still and give them as they are; None where they have never been rotated."""
        stamp = await hold_keys(connection, workspace)
        return await self._open_keys(workspace, stamp) if self._open_keys and stamp else None

    async def _empty(self, due: Sequence[Decoded], results: Sequence[Built]) -> None:
        """Take out of the log what a gateway put there of someone who was being erased that very moment."""
        forgotten = {id(event) for built in results for event in built.forgotten}
        keys = {record.key for record, event in due if id(event) in forgotten}
        if keys and self._forget_records:
            try:
                await self._forget_records(keys)
            except LogUnavailable:
                _LOG.warning("records_not_emptied", number=len(keys))

    async def _report(self, results: Sequence[Built], buried: int) -> None:
        self._metrics.buried.inc(buried)
        for built in results:
            self._memory.keep(built.workspace, built.profiles)
            self._metrics.events.inc(built.events)
            self._metrics.duplicates.inc(built.duplicates)
            self._metrics.forgotten.inc(len(built.forgotten))
            self._metrics.refused.inc(built.refused)
            self._metrics.changes.inc(built.changes)
            if self._wake_timers and built.next_due:
                self._wake_timers(built.next_due)
            if self._forget and built.stale:
                try:
                    await self._forget(built.workspace, built.stale)
                except StoreUnavailable:
                    # Entries live for seconds; what they say meanwhile was right before the merge.
                    _LOG.warning("subject_cache_not_dropped")
            if self._tell and built.profiles:
                # Whoever watches looks again each second anyway.
                with suppress(StoreUnavailable):
                    await self._tell(built.workspace, [profile.id for profile in built.profiles])
