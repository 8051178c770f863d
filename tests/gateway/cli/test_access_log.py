import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from domain.access import Access
from domain.consent import Purpose
from stores.access_log import record_access
from stores.postgres import Database

ROOT = Path(__file__).parents[3]
KEY = uuid4()
FROM_TO = ("--from", "2026-05-04T09:00", "--to", "2026-05-04T10:00Z")


async def tagway(url: str, *arguments: str) -> tuple[int, str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAGWAY_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli.main", "access-log", *arguments, "--workspace", "shop"),
        cwd=ROOT,
        env={**environment, "TAGWAY_POSTGRES_URL": url, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, said.decode(), complained.decode()


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
    code, said, _ = await tagway(database_url, "verify")
    assert (code, said.startswith("2 entries hold; head 2:")) == (0, True)
    head = said.split()[-1]
    connection = await asyncpg.connect(database_url)
    await connection.execute("DELETE FROM access_log WHERE seq = 2")
    assert (await tagway(database_url, "verify"))[0] == 0
    code, said, _ = await tagway(database_url, "verify", "--head", head)
    assert (code, "entry 2 does not hold" in said) == (2, True)
    await connection.execute("UPDATE access_log SET reason = '' WHERE seq = 1")
    await connection.close()
    code, said, _ = await tagway(database_url, "verify")
    assert (code, "entry 1 does not hold" in said) == (2, True)


async def test_report_tells_whom_a_key_saw_in_some_hours(database_url: str, person: UUID) -> None:
    code, said, _ = await tagway(database_url, "report", "--key", str(KEY), *FROM_TO)
    assert code == 0
    assert str(person) in said
    assert "traits.email" in said
    assert "traits.phone" not in said
    code, said, _ = await tagway(database_url, "report", "--actor", f"key:{KEY}", *FROM_TO, "--json")
    report = json.loads(said)
    assert (report["people"], report["looks"], report["fields"]) == (1, 1, {"traits.email": 1})
    assert report["seen"][0]["profile_id"] == str(person)


async def test_a_wrong_wish_ends_in_one_line(database_url: str, person: UUID) -> None:
    assert person
    code, _, complained = await tagway(database_url, "report", *FROM_TO)
    assert (code, complained) == (1, "tagway: say who looked: either --key or --actor\n")
    code, _, complained = await tagway(database_url, "verify", "--head", "x")
    assert (code, "Traceback" in complained) == (2, False)
