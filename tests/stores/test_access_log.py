"""The log of looks: whole or found out, and nobody's to change."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from domain.access import Access, LookLimits, TooManyLooks
from domain.consent import Purpose
from stores.access_log import Known, check_log, record_access
from stores.postgres import Database
from stores.reads.access_log import seen_by

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
KEY = "key:1"


def look(
    actor: str = KEY, profile: UUID | None = None, minute: int = 0, fields: tuple[str, ...] = ("traits.email",)
) -> Access:
    at = NOON + timedelta(minutes=minute)
    return Access(at, actor, "detokenize", profile or uuid4(), fields, Purpose.FUNCTIONAL, "help desk")


class Log:
    def __init__(self, url: str, database: Database, workspace: UUID) -> None:
        self.url = url
        self.database = database
        self.workspace = workspace

    async def add(self, *accesses: Access, limits: LookLimits | None = None) -> int:
        async with self.database.across() as connection:
            return await record_access(connection, self.workspace, accesses, limits)

    async def check(self, known: Known | None = None) -> tuple[int, int | None, str]:
        async with self.database.across() as connection:
            check = await check_log(connection, self.workspace, known=known)
        return check.number, check.bad, check.reason

    async def tamper(self, statement: str, *values: Any) -> None:
        """Change the log as somebody with the keys of the database could."""
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[Log]:
    database, workspace = await Database.open(database_url, role="worker"), uuid4()
    async with database.across() as connection:
        await connection.execute(
            "INSERT INTO workspace (id, name, wrapped_key, created_at) VALUES ($1, 'test', '', $2)", workspace, NOON
        )
    yield Log(database_url, database, workspace)
    await database.close()


async def test_a_whole_log_holds(log: Log) -> None:
    assert await log.check() == (0, None, "")
    assert await log.add(look(), look()) == 2
    assert await log.add(look(fields=("traits.phone", "user_id"))) == 3
    assert await log.check() == (3, None, "")


async def test_looks_at_once_make_one_chain(log: Log) -> None:
    numbers = await asyncio.gather(*(log.add(look()) for _ in range(20)))
    assert sorted(numbers) == list(range(1, 21))
    assert await log.check() == (20, None, "")


@pytest.mark.parametrize(
    ("statement", "bad", "reason"),
    [
        ("UPDATE access_log SET reason = 'another' WHERE seq = 2", 2, "content"),
        ("UPDATE access_log SET at = at + interval '1 microsecond' WHERE seq = 3", 3, "content"),
        ("UPDATE access_log SET fields = '{traits.phone}' WHERE seq = 1", 1, "content"),
        ("UPDATE access_log SET purpose = 'none at all' WHERE seq = 4", 4, "content"),
        ("UPDATE access_log SET hash = previous WHERE seq = 2", 2, "content"),
        ("DELETE FROM access_log WHERE seq = 2", 2, "missing"),
        ("DELETE FROM access_log WHERE seq = 1", 1, "missing"),
        ("UPDATE access_log SET seq = CASE seq WHEN 2 THEN 30 ELSE seq END", 2, "missing"),
        ("UPDATE access_log SET previous = hash WHERE seq = 3", 3, "follow"),
    ],
)
async def test_the_first_entry_that_was_touched_is_named(log: Log, statement: str, bad: int, reason: str) -> None:
    await log.add(*(look() for _ in range(5)))
    await log.tamper(statement)
    number, found, told = await log.check()
    assert (number, found) == (bad - 1, bad)
    assert reason in told


async def test_a_log_that_was_cut_off_or_written_anew_is_found_out_by_an_earlier_head(log: Log) -> None:
    await log.add(*(look() for _ in range(5)))
    async with log.database.across() as connection:
        check = await check_log(connection, log.workspace)
    known = Known(check.number, check.head)
    await log.add(look())
    assert await log.check(known) == (6, None, "")
    await log.tamper("DELETE FROM access_log WHERE seq >= 4")
    assert (await log.check())[1] is None
    assert (await log.check(known))[:2] == (3, 4)
    await log.add(look(), look(), look())
    assert (await log.check())[1] is None
    assert (await log.check(known))[:2] == (4, 5)


@pytest.mark.parametrize("role", ["app", "worker"])
@pytest.mark.parametrize(
    "statement", ["UPDATE access_log SET reason = ''", "DELETE FROM access_log", "TRUNCATE access_log"]
)
async def test_no_role_of_ours_may_change_what_is_written(log: Log, role: str, statement: str) -> None:
    await log.add(look())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await log.tamper(f"SET ROLE tagway_{role}; {statement}")
    assert await log.check() == (1, None, "")


async def test_limits_are_counted_per_actor_and_in_time(log: Log) -> None:
    limits, jane = LookLimits(looks_per_minute=2, people_per_day=2), uuid4()
    await log.add(look(profile=jane), limits=limits)
    await log.add(look(profile=jane), limits=limits)
    with pytest.raises(TooManyLooks) as refusal:
        await log.add(look(profile=jane), limits=limits)
    assert refusal.value.retry_after == 60
    await log.add(look("key:2", jane), limits=limits)
    await log.add(look(minute=1), limits=limits)
    with pytest.raises(TooManyLooks) as refusal:
        await log.add(look(minute=60), limits=limits)
    assert refusal.value.retry_after == 23 * 3600
    await log.add(look(profile=jane, minute=60), limits=limits)
    await log.add(look(minute=24 * 60 + 2), limits=limits)
    assert (await log.check())[0] == 6


async def test_a_report_names_the_people_and_fields_that_one_key_saw(log: Log) -> None:
    jane, bob = uuid4(), uuid4()
    await log.add(
        look(profile=jane, minute=0, fields=("traits.email", "user_id")),
        look(profile=jane, minute=10, fields=("traits.phone", "traits.email")),
        look(profile=bob, minute=59),
        look(profile=uuid4(), minute=60),
        look("key:2", minute=5),
    )
    async with log.database.across() as connection:
        first, second = await seen_by(connection, log.workspace, KEY, NOON, NOON + timedelta(hours=1))
    assert (first.profile_id, first.looks) == (jane, 2)
    assert first.fields == ("traits.email", "traits.phone", "user_id")
    assert (first.first_at, first.last_at) == (NOON, NOON + timedelta(minutes=10))
    assert (second.profile_id, second.fields, second.purposes) == (bob, ("traits.email",), ("functional",))
