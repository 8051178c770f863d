"""Signs the heads of consent ledgers while they grow, and tells everyone else of each record.

One process does so at a time. A record that was told and not yet noted as told is told again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NoReturn
from uuid import UUID

import msgspec
import structlog

from domain.clock import Clock
from domain.consent import Purpose
from domain.errors import LogUnavailable, Refused, StoreUnavailable
from domain.topics import CONSENTS
from privacy.keys import WorkspaceKeys
from privacy.ledger.checkpoint import Signer
from privacy.ledger.record import Record as LedgerRecord
from privacy.ledger.record import read_record
from privacy.sealing import Unreadable
from stores.eventlog.port import EventLog, Record
from stores.faults import Contended, Unfit, transaction
from stores.ledger.heads import Told, find_unsigned, find_untold, read_untold, save_told, sign_head, try_own_notary
from stores.postgres import Connection, Database

KeysOf = Callable[[UUID], Awaitable[WorkspaceKeys]]
"""Opens the keys of a workspace; raises `Refused`, `Unreadable`, `StoreUnavailable`."""

_LOG = structlog.get_logger(__name__)
_LOOK_EVERY: Final = 0.5
_RETRY_AFTER: Final = 0.5
_AT_ONCE: Final = 500


class Announcement(msgspec.Struct, frozen=True, tag_field="v", tag=1):
    """A record as it is told on the topic of consents, under `told_key`. `subject` is null once they were erased."""

    workspace: UUID
    subject: UUID | None
    record: LedgerRecord


_encode = msgspec.json.Encoder().encode


def told_key(subject: UUID, purpose: Purpose) -> bytes:
    """Name what a subject said about a purpose: a newer record takes the place of an older, and erasure of the last."""
    return subject.bytes + purpose.encode()


def told_keys(subjects: Iterable[UUID]) -> list[bytes]:
    """List every key that records about some subjects may lie under."""
    return [told_key(subject, purpose) for subject in subjects for purpose in Purpose]


class Notary:
    """Works while it holds the lock, and waits for the lock otherwise."""

    def __init__(self, database: Database, log: EventLog, clock: Clock, keys_of: KeysOf) -> None:
        self._database = database
        self._log = log
        self._clock = clock
        self._keys_of = keys_of

    async def run(self) -> NoReturn:
        """Sign and tell until cancelled."""
        while True:
            try:
                async with self._database.hold(lively=True) as connection:
                    while not await try_own_notary(connection):  # noqa: ASYNC110 - a lock of Postgres wakes nobody here
                        await asyncio.sleep(_LOOK_EVERY)
                    while True:
                        await self.sign(connection)
                        await self.tell(connection)
                        await asyncio.sleep(_LOOK_EVERY)
            except (Contended, LogUnavailable, StoreUnavailable, Unfit) as error:
                _LOG.warning("notary_waits", problem=str(error))
            await asyncio.sleep(_RETRY_AFTER)

    async def sign(self, connection: Connection) -> None:
        """Sign the heads that are due. Raises `StoreUnavailable` and `Contended`."""
        for workspace in await find_unsigned(connection, self._clock()):
            try:
                keys = await self._keys_of(workspace)
                signer = Signer(workspace, keys.signing_key("ledger"))
                async with transaction(connection):
                    await sign_head(connection, workspace, signer, self._clock())
            except (Refused, Unreadable, ValueError) as error:
                # One workspace whose key or head is not as it should be must not leave the others unsigned.
                _LOG.error("head_not_signed", workspace=str(workspace), problem=type(error).__name__)

    async def tell(self, connection: Connection) -> None:
        """Tell of every record that has not been told. Raises `LogUnavailable`, `StoreUnavailable`, `Contended`."""
        for workspace, start in (await find_untold(connection)).items():
            through: int | None = start
            while through is not None:
                async with transaction(connection):
                    through = await self._tell_some(connection, workspace, through)

    async def _tell_some(self, connection: Connection, workspace: UUID, after: int) -> int | None:
        """Tell of the next records, and return the last; None when there are none.

        An erasure of one of these people waits until they are on the log, where it then finds them.
        """
        records = await read_untold(connection, workspace, after, _AT_ONCE)
        if not records:
            return None
        await self._announce(workspace, records)
        await save_told(connection, workspace, records[-1].seq)
        return records[-1].seq

    async def _announce(self, workspace: UUID, records: list[Told]) -> None:
        told = [_announcement(workspace, each) for each in records]
        for error in await self._log.append(CONSENTS, told):
            if error is not None:
                raise error


def _announcement(workspace: UUID, told: Told) -> Record:
    record = read_record(told.leaf)
    key = workspace.bytes + told.seq.to_bytes(8) if told.subject is None else told_key(told.subject, record.purpose)
    return Record(key, _encode(Announcement(workspace, told.subject, record)))
