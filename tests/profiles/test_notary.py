import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from domain.consent import Consent, Purpose, State
from domain.errors import LogUnavailable, Refused, TagwayError
from domain.topics import CONSENTS
from privacy.keys import WorkspaceKeys
from privacy.ledger.checkpoint import Signer, read_checkpoint
from profiles.notary import Announcement, Notary, told_keys
from stores.consents import Statement, store_consents
from stores.eventlog.port import Record
from stores.ledger.heads import list_checkpoints, read_head
from stores.postgres import Connection
from tests.fixtures.world import Sent, World
from tests.patience import AT_ALL


class KeptLog:
    """A log that keeps what it is given, and is away as often as it is told."""

    def __init__(self) -> None:
        self.told: list[Announcement] = []
        self.keys: list[bytes] = []
        self.away = 0
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def append(self, topic: str, records: Sequence[Record]) -> list[TagwayError | None]:
        assert topic == CONSENTS
        self.asked.set()
        await self.open.wait()
        if self.away:
            self.away -= 1
            return [LogUnavailable()] * len(records)
        self.keys += [record.key for record in records]
        self.told += [msgspec.json.decode(record.value, type=Announcement) for record in records]
        return [None] * len(records)


class Office:
    """A notary, and people who speak."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.log = KeptLog()
        self.keys = WorkspaceKeys(world.workspace, bytes(32))
        self.signer = Signer(world.workspace, self.keys.signing_key("ledger"))
        log: Any = self.log
        self.notary = Notary(world.database, log, world.clock, self.keys_of)

    async def keys_of(self, workspace: UUID) -> WorkspaceKeys:
        if workspace != self.world.workspace:
            raise Refused(code="not_found")
        return self.keys

    async def speak(self, words: int = 1) -> UUID:
        """Let somebody say yes; return who it was."""
        subject = (await self.world.protect(Sent((f"user_id:{uuid4()}",)))).subject
        states = [State.DENIED if number % 2 else State.GRANTED for number in range(words)]
        consents = [Consent(Purpose.ANALYTICS, state, "test", self.world.clock()) for state in states]
        async with self.world.database.across() as connection:
            said = [Statement(subject, consent) for consent in consents]
            await store_consents(connection, self.world.workspace, said)
        return subject

    async def signed(self) -> list[int]:
        async with self.world.database.across() as connection:
            await self.notary.sign(connection)
            return [size for size, _ in await list_checkpoints(connection, self.world.workspace)]

    async def noted(self) -> bool:
        """Tell whether it stands that something was told, so that nobody tells it again."""
        return bool(await self.world.fetch("SELECT FROM ledger_outlet WHERE through > 0"))

    async def tell(self) -> None:
        async with self.world.database.across() as connection:
            await self.notary.tell(connection)


@pytest.fixture
async def office(world: World) -> Office:
    return Office(world)


async def test_heads_are_signed_while_a_ledger_grows(office: Office) -> None:
    assert await office.signed() == []
    await office.speak()
    assert await office.signed() == [1]
    await office.speak()
    assert await office.signed() == [1]
    office.world.clock.advance(seconds=10)
    assert await office.signed() == [1, 2]
    office.world.clock.advance(seconds=60)
    assert await office.signed() == [1, 2]
    await office.speak(words=1_000)
    assert await office.signed() == [1, 2, 1_002]
    async with office.world.database.across() as connection:
        head = await read_head(connection, office.world.workspace)
        _, note = (await list_checkpoints(connection, office.world.workspace))[-1]
    found = read_checkpoint(note, office.signer.public_key)
    assert (found.size, found.root) == (head.size, head.root)


async def test_a_workspace_that_cannot_be_signed_for_holds_up_no_other(office: Office) -> None:
    async with office.world.database.across() as connection:
        other = uuid4()
        await connection.execute("INSERT INTO workspace VALUES ($1, 'other', '', '{}', 0, now())", other)
        await connection.execute("INSERT INTO ledger_head (workspace_id, size) VALUES ($1, 5)", other)
    await office.speak()
    assert await office.signed() == [1]


async def test_every_record_is_told_once_with_whom_it_is_about(office: Office) -> None:
    first, second = await office.speak(), await office.speak(words=2)
    await office.tell()
    await office.tell()
    assert [(each.record.seq, each.subject) for each in office.log.told] == [(1, first), (2, second), (3, second)]
    assert {each.workspace for each in office.log.told} == {office.world.workspace}


async def test_of_the_erased_nobody_is_told(office: Office) -> None:
    subject = await office.speak()
    await office.world.execute("DELETE FROM subject WHERE id = $1", subject)
    await office.tell()
    assert [(each.record.seq, each.subject) for each in office.log.told] == [(1, None)]


async def test_each_word_lies_under_a_key_that_erasure_finds(office: Office) -> None:
    subject, gone = await office.speak(), await office.speak(words=2)
    await office.world.execute("DELETE FROM subject WHERE id = $1", gone)
    await office.tell()
    first, *others = office.log.keys
    assert first in told_keys([subject])
    assert len({first, *others}) == 3, "a record about nobody takes no other's place"
    assert not {*others} & {*told_keys([subject, gone])}


async def test_nobody_is_erased_while_they_are_told_of(office: Office) -> None:
    """Else their id would come to the log after the erasure had looked for it there."""
    subject = await office.speak()
    office.log.open.clear()
    telling = asyncio.create_task(office.tell())
    async with asyncio.timeout(AT_ALL):
        await office.log.asked.wait()
    try:
        async with office.world.database.across() as connection, connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '200ms'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await connection.execute("DELETE FROM subject WHERE id = $1", subject)
    finally:
        office.log.open.set()
        await telling
    await office.world.execute("DELETE FROM subject WHERE id = $1", subject)
    assert [each.subject for each in office.log.told] == [subject]


async def test_what_the_log_did_not_take_is_told_again(office: Office) -> None:
    await office.speak()
    office.log.away = 1
    with pytest.raises(LogUnavailable):
        await office.tell()
    await office.tell()
    assert [each.record.seq for each in office.log.told] == [1]


async def test_one_notary_works_and_another_takes_over(office: Office) -> None:
    other = Office(office.world)
    first = asyncio.create_task(office.notary.run())
    async with asyncio.timeout(AT_ALL):
        await office.speak()
        while not await office.noted():
            await asyncio.sleep(0.02)
    second = asyncio.create_task(other.notary.run())
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    async with asyncio.timeout(AT_ALL):
        await office.speak()
        while not other.log.told:
            await asyncio.sleep(0.02)
    second.cancel()
    with suppress(asyncio.CancelledError):
        await second
    # The first may have been stopped after it told and before it noted so: then its record is told once more.
    told = dict.fromkeys(each.record.seq for each in [*office.log.told, *other.log.told])
    assert list(told) == [1, 2]
    assert [each.record.seq for each in other.log.told][-1] == 2


async def test_a_record_that_was_not_committed_leaves_no_gap(office: Office) -> None:
    """A process that dies in the middle of its transaction has recorded nothing, and the next goes on."""
    await office.speak()
    subject = await office.speak()
    consent = Consent(Purpose.ANALYTICS, State.WITHDRAWN, "test", office.world.clock())

    async def die(connection: Connection) -> None:
        async with connection.transaction():
            await store_consents(connection, office.world.workspace, [Statement(subject, consent)])
            raise ConnectionResetError

    async with office.world.database.across() as connection:
        with suppress(ConnectionResetError):
            await die(connection)
    await office.speak()
    rows = await office.world.fetch("SELECT seq FROM consent_record ORDER BY seq")
    assert [row["seq"] for row in rows] == [1, 2, 3]
    states = await office.world.fetch("SELECT state FROM consent WHERE subject_id = $1", subject)
    assert [row["state"] for row in states] == ["granted"]
