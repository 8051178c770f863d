"""Where requests are worked on: claimed one step at a time, so that whoever dies in the middle is taken over from."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from traceback import extract_tb
from typing import Final
from uuid import UUID

import msgspec
import structlog

from domain.clock import Clock
from domain.errors import LogUnavailable, Refused, StoreUnavailable
from domain.request import Request, RequestKind, RequestStatus, Step
from privacy.compiled import CompiledPlan
from privacy.keys import WorkspaceKeys
from privacy.receipt import sign_receipt
from privacy.sealing import Unreadable
from profiles.chores import finish, keep_at
from profiles.memory import Memory
from profiles.rights.case import Act, Case, Procedure
from stores.changes import call_publisher
from stores.erasure import erasures_after, newest_erasure
from stores.faults import Contended, Unfit, transaction
from stores.postgres import Connection, Database
from stores.requests import (
    drop_expired,
    finish_request,
    put_off,
    read_request,
    save_step,
    take_request,
    waiting_requests,
)
from stores.silence import be_patient
from stores.workspace_keys import hold_keys

OpenWorkspace = Callable[[UUID, int], Awaitable[tuple[WorkspaceKeys, CompiledPlan]]]
"""Gives a workspace's keys, with every change up to a stamp, and its plan."""

_LOG = structlog.get_logger(__name__)
_AT_ONCE: Final = 100
_WAIT_FOR_OTHERS: Final = timedelta(seconds=0.2)
_WAIT_FOR_STORES: Final = timedelta(seconds=2)


class Desk:
    """Works on requests. Any number may run: each step is one worker's, in one transaction with its own note.

    `procedures` has the steps of each kind of request. `memory` is told of people who were erased, by whichever desk.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        open_workspace: OpenWorkspace,
        procedures: Mapping[RequestKind, Procedure],
        *,
        memory: Memory | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._open_workspace = open_workspace
        self._procedures = procedures
        self._memory = memory or Memory()
        self._erased_through: int | None = None

    async def run(self) -> None:
        """Work on requests as they come, and throw away answers as they expire, until cancelled."""
        await keep_at("desk", self._look)

    async def _look(self) -> None:
        await self.forget_erased()
        await self.work()

    async def work(self) -> int:
        """Take every request that is due as far as it will go, and return how many there were."""
        async with self._database.across() as connection:
            async with transaction(connection):
                await drop_expired(connection, self._clock())
            waiting = await waiting_requests(connection, self._clock(), _AT_ONCE)
        await finish(waiting, self.advance)
        return len(waiting)

    async def advance(self, workspace: UUID, request: UUID) -> bool:
        """Take one request one step further, and tell whether its next step can follow at once."""
        try:
            async with self._database.across() as connection:
                return await self._step(connection, workspace, request)
        except (Contended, LogUnavailable, StoreUnavailable, Unreadable) as error:
            # Unreadable: a key of an epoch that this process does not know yet, or data that somebody has to restore.
            _LOG.warning("request_waits", request=str(request), problem=type(error).__name__)
            await self._put_off(workspace, request, _WAIT_FOR_STORES)
        except (ArithmeticError, AttributeError, LookupError, TypeError, Unfit, ValueError) as error:
            # A fault of ours must end one request, visibly, and not the work on all others.
            _LOG.error("request_failed", request=str(request), problem=type(error).__name__, place=_place(error))
            await self._fail(workspace, request, f"a fault of ours: {type(error).__name__}")
        return False

    async def forget_erased(self) -> None:
        """Drop what this process holds in memory of people who were erased since the last look."""
        async with self._database.across() as connection:
            if self._erased_through is None:
                self._erased_through = await newest_erasure(connection)
            erased = await erasures_after(connection, self._erased_through, _AT_ONCE)
        for each in erased:
            self._memory.forget(each.workspace, each.profile_id)
            keys, _ = await self._open_workspace(each.workspace, 0)
            keys.forget(each.subject_id)
            self._erased_through = each.seq

    async def _step(self, connection: Connection, workspace: UUID, request_id: UUID) -> bool:
        waits = False
        async with transaction(connection):
            await be_patient(connection)  # to empty a long log takes longer than a builder may be silent
            request = await take_request(connection, workspace, request_id)
            if request is None:
                return False
            keys, plan = await self._open_workspace(workspace, await hold_keys(connection, workspace))
            case = Case(connection, request_under(keys, request), keys, plan, self._clock())
            due = self._next(request)
            if due is None:
                await self._finish(case)
                return False
            name, act = due
            try:
                async with connection.transaction():
                    counts = await act(case)
            except Refused as refused:
                await finish_request(connection, request, RequestStatus.FAILED, case.now, error=str(refused))
                return False
            if counts is None:
                waits = True
            else:
                planned = len(self._procedures[request.kind])
                await save_step(connection, request, Step(name, case.now, counts), planned=planned)
        if waits:
            await put_off(connection, workspace, request_id, self._clock() + _WAIT_FOR_OTHERS)
            return False
        await call_publisher(connection)
        return True

    def _next(self, request: Request) -> tuple[str, Act] | None:
        procedure = self._procedures[request.kind]
        return next((step for step in procedure if step[0] not in request.steps), None)

    async def _finish(self, case: Case) -> None:
        receipt = sign_receipt(receipt_of(case.request, case), case.keys.signing_key("receipt"))
        await finish_request(case.connection, case.request, RequestStatus.DONE, case.now, receipt=receipt)
        _LOG.info("request_done", request=str(case.request.id), kind=case.request.kind.value)

    async def _put_off(self, workspace: UUID, request: UUID, pause: timedelta) -> None:
        try:
            async with self._database.across() as connection:
                await put_off(connection, workspace, request, self._clock() + pause)
        except StoreUnavailable:
            return  # there is nothing to put off while Postgres is away

    async def _fail(self, workspace: UUID, request_id: UUID, error: str) -> None:
        async with self._database.across() as connection:
            request = await read_request(connection, workspace, request_id)
            if request is not None:
                await finish_request(connection, request, RequestStatus.FAILED, self._clock(), error=error)


def request_under(keys: WorkspaceKeys, request: Request) -> Request:
    """Bring the identifiers that a request names or has found to the keys in force: it may be older than they are."""
    found = msgspec.structs.replace(request.found, aliases=keys.everywhere(request.found.aliases))
    return msgspec.structs.replace(request, named=keys.everywhere(request.named), found=found)


def _place(error: Exception) -> str:
    """Name the innermost line. An error's own text, and what was at hand there, may be data of the person."""
    frame = extract_tb(error.__traceback__)[-1]
    return f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"


def receipt_of(request: Request, case: Case) -> dict[str, object]:
    """Give what is signed of a finished request: what was done and when, in figures and random ids."""
    return {
        "v": 1,
        "workspace": str(request.workspace),
        "request": str(request.id),
        "kind": request.kind.value,
        "regime": request.regime.value,
        "received_at": request.received_at.isoformat(),
        "due_at": request.due_at.isoformat(),
        "finished_at": case.now.isoformat(),
        "in_time": case.now <= request.due_at,
        "steps": {
            name: {"at": step.at.isoformat(), "counts": dict(step.counts)} for name, step in request.steps.items()
        },
    }
