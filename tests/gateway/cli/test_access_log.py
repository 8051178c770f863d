import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from domain.access import Access
from domain.consent import Purpose
from stores.access_log import record_access
from stores.postgres import Database
from tests.fixtures.terminal import tagway, tagway_process

KEY = uuid4()
FROM_TO = ("--from", "2026-05-04T09:00", "--to", "2026-05-04T10:00Z")


async def verify(url: str, *arguments: str) -> tuple[int, str, str]:
    return await tagway("access-log", "verify", *arguments, "--workspace", "shop", postgres_url=url)


async def report(url: str, *arguments: str) -> tuple[int, str, str]:
    return await tagway("access-log", "report", *arguments, *FROM_TO, "--workspace", "shop", postgres_url=url)


@pytest.fixture
async def person(database_url: str) -> UUID:
    """Someone whose data one key has seen twice."""
    workspace, profile = uuid4(), uuid4()
    database = await Database.open(database_url, role="worker")
    async with database.across() as connection:
        await connection.execute(
            "INSERT INTO workspace (id, name, wrapped_key, created_at) VALUES ($1, 'shop', '', now())", workspace
        )
        for hour, fields in ((9, ("traits.email",)), (10, ("traits.phone",))):
            at = datetime(2026, 5, 4, hour, tzinfo=UTC)
            access = Access(at, f"key:{KEY}", "detokenize", profile, fields, Purpose.FUNCTIONAL, "help desk")
            await record_access(connection, workspace, [access])
    await database.close()
    return profile


async def test_verify_ends_in_two_where_the_log_does_not_hold(database_url: str, person: UUID) -> None:
    assert person
    code, said, _ = await verify(database_url)
    assert (code, said.startswith("2 entries hold; head 2:")) == (0, True)
    head = said.split()[-1]
    connection = await asyncpg.connect(database_url)
    await connection.execute("DELETE FROM access_log WHERE seq = 2")
    assert (await verify(database_url))[0] == 0
    code, said, _ = await verify(database_url, "--head", head)
    assert (code, "entry 2 does not hold" in said) == (2, True)
    await connection.execute("UPDATE access_log SET reason = '' WHERE seq = 1")
    await connection.close()
    code, said, _ = await verify(database_url)
    assert (code, "entry 1 does not hold" in said) == (2, True)


async def test_report_tells_whom_a_key_saw_in_some_hours(database_url: str, person: UUID) -> None:
    code, said, _ = await report(database_url, "--key", str(KEY))
    assert code == 0
    assert str(person) in said
    assert "traits.email" in said
    assert "traits.phone" not in said
    code, said, _ = await report(database_url, "--actor", f"key:{KEY}", "--json")
    told = json.loads(said)
    assert (told["people"], told["looks"], told["fields"]) == (1, 1, {"traits.email": 1})
    assert told["seen"][0]["profile_id"] == str(person)


async def test_a_wrong_wish_ends_in_one_line(database_url: str, person: UUID) -> None:
    assert person
    code, _, complained = await report(database_url)
    assert (code, complained) == (1, "tagway: say who looked: either --key or --actor\n")
    code, _, complained = await tagway_process(
        *("access-log", "verify", "--head", "x", "--workspace", "shop"), postgres_url=database_url
    )
    assert (code, "Traceback" in complained) == (2, False)
