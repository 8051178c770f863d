"""What happens to requests while the log or Postgres is away: they are kept on the disk, and run once all is back.

From the first event that a store failed, all that comes goes to the spool, so that nobody's later event overtakes an
earlier one; it goes the direct way again when the spool is empty.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import msgspec
import structlog

from domain.errors import FAILURES, Refused, StoreUnavailable, TagwayError
from domain.event import Call
from domain.outcome import Outcome, Result
from gateway.collect.arrival import SPOOLED, Arrival, decode_arrival, encode_arrival, who, with_message_id
from gateway.collect.batch import Batch, Item, end_faulty
from gateway.collect.decode import LARGEST_EVENT, InvalidEvent, decode_event
from gateway.errors import place_of
from gateway.metrics import Metrics
from gateway.workspace import Workspaces
from stores.spool.files import Waiting
from stores.spool.spool import Spool, SpoolFull

Run = Callable[[Arrival], Awaitable[Batch]]
"""Brings an arrival to its end. Raises `TagwayError` when its workspace cannot be read."""

_LOOK_SECONDS: Final = 0.5
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
_LAST_FEW: Final = 64
"""So many requests are drained in a moment: who comes meanwhile waits for it instead of making the spool longer."""
_WAIT_AT_MOST: Final = 2.0
_ATTEMPTS: Final = 3
_AWAY: Final = frozenset({"log_unavailable", "store_unavailable"})
"""Codes of events that the same try may keep later; all others are no matter of time."""
_AT_ONCE: Final = 32
_SUSPECT: Final = 6
"""So often must a file fail while all stores say that they are well, until it is put aside for what fails of it."""
_HOPELESS: Final = 60
"""So often if all of it fails, since it may be a store that is wrong about itself."""

_LOG = structlog.get_logger(__name__)


class _Kept(NamedTuple):
    """An event that goes to the spool, under the id that it was answered by."""

    message_id: str
    raw: bytes


class Spooling:
    """Decides who goes to the spool, and empties it in the order of each person's events.

    `drained` turns true once what an earlier process left has had its effect.
    """

    def __init__(
        self, spool: Spool, workspaces: Workspaces, metrics: Metrics, *, healthy: Callable[[], Awaitable[bool]]
    ) -> None:
        self._spool = spool
        self._workspaces = workspaces
        self._metrics = metrics
        self._healthy = healthy
        self._failures = 0
        self._damaged = self._rejected = 0
        self._settled = asyncio.Event()
        self._settled.set()
        self._news = asyncio.Event()
        self.drained = spool.entries == 0
        metrics.spool_oldest.set_function(lambda: spool.oldest_seconds)
        self._measure()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._spool.entries

    @property
    def full(self) -> bool:
        """Whether the next request is refused."""
        return self._spool.full

    async def diverts(self) -> bool:
        """Tell whether a request must go to the spool now. Between this answer and `keep` nothing may be awaited."""
        if self._spool.entries and not self._settled.is_set():
            try:
                async with asyncio.timeout(_WAIT_AT_MOST):
                    await self._settled.wait()
            except TimeoutError:
                return True
        return self._spool.entries > 0

    async def divert(self, arrival: Arrival) -> list[Result]:
        """Keep a request without having asked any store: what breaks the protocol or the plan is told at once."""
        results, kept = self._screen(arrival)
        await self._append(arrival, kept, results)
        return [result for result in results if result is not None]

    async def keep(self, arrival: Arrival, batch: Batch) -> list[Result]:
        """Keep what a store has failed in the middle of; return the results of the whole batch."""
        results = [None if _failed(item) else item.result for item in batch.items]
        kept = {
            place: _Kept(item.call.message_id, with_message_id(item.raw, item.call.message_id))
            for place, item in enumerate(batch.items)
            if results[place] is None and item.call is not None
        }
        await self._append(arrival, kept, results)
        return [result for result in results if result is not None]

    async def run(self, run: Run) -> None:
        """Empty the spool whenever there is something in it, until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            try:
                drained = await self._drain(run)
            except (TagwayError, OSError) as error:
                _LOG.warning("spool_waits", problem=type(error).__name__, entries=self._spool.entries)
                self._settled.set()
                # With all stores well, what fails is the request: nobody shall wait behind it for ever.
                self._failures = self._failures + 1 if await self._healthy() else 0
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            self.drained = self.drained or not self._spool.entries
            if not drained:
                await self._spool.look_around()
                self._measure()
                self._news.clear()
                try:
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._news.wait()
                except TimeoutError:
                    pass

    def _screen(self, arrival: Arrival) -> tuple[list[Result | None], dict[int, _Kept]]:
        known = self._workspaces.known(arrival.workspace)
        results: list[Result | None] = [None] * len(arrival.events)
        kept: dict[int, _Kept] = {}
        for place, raw in enumerate(arrival.events):
            item = Item(raw)
            try:
                call = _decoded(item, arrival)
                problems = known.plan.problems(call) if known and call else ()
            except Exception as error:  # noqa: BLE001 - as in Batch.each: a fault of ours costs one event
                end_faulty(item, error)
                call, problems = None, ()
            if problems:
                item.end(Outcome.INVALID, code="invalid_event", message="; ".join(problems))
            elif call is not None:
                kept[place] = _Kept(call.message_id, with_message_id(raw, call.message_id))
            results[place] = item.result
        return results, kept

    async def _append(self, arrival: Arrival, kept: dict[int, _Kept], results: list[Result | None]) -> None:
        """Fill in the results of what is kept."""
        if not kept:
            return
        body = encode_arrival(msgspec.structs.replace(arrival, events=tuple(each.raw for each in kept.values())))
        try:
            await self._spool.append(body)
        except SpoolFull as full:
            ends = [
                Result(each.message_id, Outcome.UNAVAILABLE, full.code, FAILURES[full.code].message)
                for each in kept.values()
            ]
        else:
            ends = [Result(each.message_id, Outcome.ACCEPTED, message=SPOOLED) for each in kept.values()]
            self._metrics.spooled.inc(len(kept))
        for place, end in zip(kept, ends, strict=True):
            results[place] = end
        self._news.set()
        self._measure()

    async def _drain(self, run: Run) -> bool:
        """Empty the oldest file; False when there is none. Raises what keeps it from being emptied now."""
        oldest = await self._spool.oldest()
        if oldest is None:
            return False
        self._measure()
        arrivals = self._read(oldest)
        fit = [False] * (len(oldest.bodies) - len(arrivals))
        if arrivals:
            # One alone, to see whether the stores are back.
            fit.append(await self._take(arrivals[0], run))
            if self._spool.entries <= _LAST_FEW:
                self._settled.clear()
            fit += await self._take_all(arrivals[1:], run)
        if arrivals and self._failures >= _SUSPECT and not any(fit) and self._failures < _HOPELESS:
            raise StoreUnavailable("none of them can be kept, so it is hardly the requests' fault")
        self._failures = 0
        if all(fit):
            await self._spool.remove(oldest.path)
        else:
            await self._spool.reject(oldest.path)
        self._settled.set()
        self._measure()
        return True

    def _read(self, waiting: Waiting) -> list[Arrival]:
        """Decode what is whole; what no version of ours has written, or only a later one, is left out."""
        arrivals = []
        for body in waiting.bodies:
            try:
                arrivals.append(decode_arrival(body))
            except (ValueError, msgspec.MsgspecError):
                _LOG.error("spool_entry_unknown", file=waiting.path.name)
        return arrivals

    async def _take_all(self, arrivals: Sequence[Arrival], run: Run) -> list[bool]:
        """Run many side by side, but each after those before it that speak of the same people; see `_take`."""
        last: dict[tuple[object, str], asyncio.Task[bool]] = {}
        room = asyncio.Semaphore(_AT_ONCE)

        async def follow(arrival: Arrival, before: set[asyncio.Task[bool]]) -> bool:
            if before:
                await asyncio.wait(before)
                for task in before:
                    task.result()
            async with room:
                return await self._take(arrival, run)

        tasks = []
        try:
            async with asyncio.TaskGroup() as group:
                for arrival in arrivals:
                    people = {(arrival.workspace, name) for name in who(arrival)}
                    task = group.create_task(follow(arrival, {last[each] for each in people if each in last}))
                    last.update(dict.fromkeys(people, task))
                    tasks.append(task)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _take(self, arrival: Arrival, run: Run) -> bool:
        """Run one request; False when our own code trips over it. Raises `TagwayError` when a store is away."""
        for _ in range(_ATTEMPTS):
            try:
                batch = await run(arrival)
            except Refused as refused:
                _LOG.error("spool_entry_refused", problem=refused.code)
                return True  # its workspace is gone, and everything of it
            except TagwayError as error:
                if self._failures < _SUSPECT:
                    raise
                _LOG.error("spool_entry_fault", error=error.code, place=place_of(error))
                return False
            except Exception as error:  # noqa: BLE001 - one that nobody foresaw must not hold up those behind it
                _LOG.error("spool_entry_fault", error=type(error).__name__, place=place_of(error))
                continue
            away = next((item.result for item in batch.items if _failed(item) and item.result), None)
            if away is not None and self._failures < _SUSPECT:
                raise TagwayError(code=away.code)
            results = [item.result for item in batch.items if item.result is not None]
            for result in results:
                self._metrics.spool_drained.labels(result.outcome).inc()
            return not any(result.outcome is Outcome.UNAVAILABLE or result.code == "internal" for result in results)
        return False

    def _measure(self) -> None:
        self._metrics.spool_entries.set(self._spool.entries)
        self._metrics.spool_bytes.set(self._spool.size)
        self._metrics.spool_bytes_aside.set(self._spool.bytes_aside)
        self._metrics.spool_damaged.inc(self._spool.damaged - self._damaged)
        self._metrics.spool_rejected.inc(self._spool.rejected - self._rejected)
        self._damaged, self._rejected = self._spool.damaged, self._spool.rejected


def _failed(item: Item) -> bool:
    return item.result is not None and item.result.outcome is Outcome.UNAVAILABLE and item.result.code in _AWAY


def _decoded(item: Item, arrival: Arrival) -> Call | None:
    """Decode as the first step of the pipeline does; None where the item has come to its end by that."""
    if len(item.raw) > LARGEST_EVENT:
        item.end(Outcome.TOO_LARGE, code="event_too_large")
        return None
    try:
        item.call = decode_event(item.raw, arrival.call_type, arrival.shared, arrival.received_at)
    except InvalidEvent as error:
        item.end(Outcome.INVALID, code="invalid_event", message=str(error))
    return item.call
