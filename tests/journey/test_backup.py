"""A backup is worth what can be restored from it: by a copy of a stopped product, and by Postgres' own tools."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from stores.embedded.binaries import find_postgres
from stores.embedded.postgres import EmbeddedPostgres
from stores.migrate import migrate, require_schema
from tests.fixtures.gateway import make_tenant
from tests.fixtures.owner import owning
from tests.fixtures.stack import Stack
from tests.fixtures.world import Sent, World
from tests.lacking import missing
from tests.patience import AT_ALL

CONSENT = {"consent": {"categoryPreferences": {"analytics": True, "personalization": True}}}
DUMP = ("--enable-row-security", "--format=custom")
PERSON = "query ($id: String!) { profile(by: {externalId: $id}) { counters } }"


async def send(stack: Stack, message_id: str) -> None:
    event = {"type": "track", "event": "product_view", "userId": "ada", "messageId": message_id, "context": CONSENT}
    body = {"batch": [event | {"properties": {"product_id": "lamp"}}], "writeKey": stack.write_key}
    async with stack.http.post(f"{stack.url}/v1/batch", json=body) as response:
        assert (await response.json())["counts"] == {"accepted": 1}


async def views(stack: Stack, number: int) -> None:
    async with asyncio.timeout(AT_ALL):
        while True:
            profile = (await stack.graphql(PERSON, id="ada"))["profile"]
            if profile and profile["counters"].get("product_view") == number:
                return
            await asyncio.sleep(0.1)


def copy(source: Path, target: Path) -> None:
    """Copy a folder with its owners and permissions, as an operator would."""
    subprocess.run(["cp", "-a", source, target], check=True)
    for link in target.iterdir():
        if link.is_symlink():
            pytest.fail(f"{link.name} lies elsewhere and is not in this copy")


async def test_a_copy_of_a_stopped_product_goes_on_where_it_was(
    start_stack: Callable[..., Awaitable[Stack]],
) -> None:
    stack = await start_stack()
    await send(stack, "before")
    await views(stack, 1)
    assert await stack.stop() == 0
    folder = stack.data.with_name(f"{stack.data.name}.copy")
    copy(stack.data, folder)
    restored = await start_stack(folder)
    assert restored.write_key == stack.write_key
    await views(restored, 1)
    await send(restored, "before")
    await send(restored, "after")
    await views(restored, 2)
    assert await restored.stop() == 0


async def test_a_dump_restores_every_row(
    world: World, database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    await world.send(*(Sent((f"user_id:{n}",), traits={"plan": "pro"}) for n in range(20)))
    before = await _rows(database_url)
    await _dump_and_restore(database_url, empty_database_url, tmp_path)
    assert await _rows(empty_database_url) == before
    assert before["profile"] == 20


async def test_who_migrates_and_is_no_superuser_dumps_and_restores_every_row(
    postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    async with owning(postgres_server, databases=2) as (first, second):
        await migrate(first)
        await make_tenant(first)
        await _dump_and_restore(first, second, tmp_path)
        before, after = [await _rows(_as_superuser(postgres_server, url)) for url in (first, second)]
    assert after == before
    assert (before["workspace"], before["api_key"], before["event"]) == (1, 2, 0)


def _as_superuser(server: EmbeddedPostgres, url: str) -> str:
    return server.url.rpartition("/")[0] + urlsplit(url).path


async def _dump_and_restore(source: str, target: str, folder: Path) -> None:
    """Do what docs/operate.md says."""
    dump, restore = (find_postgres().with_name(name) for name in ("pg_dump", "pg_restore"))
    if not dump.exists():
        missing("pg_dump is not beside the postgres program")
    file = folder / "tagway.dump"
    await _run(dump, *DUMP, "--file", file, source)
    await _run(restore, "--no-owner", "--exit-on-error", "--dbname", target, file)
    await require_schema(target)


async def _rows(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        )
        counted = {row[0]: await connection.fetchval(f'SELECT count(*) FROM "{row[0]}"') for row in names}
    finally:
        await connection.close()
    return counted


async def _run(*command: object) -> None:
    process = await asyncio.create_subprocess_exec(*map(str, command), stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
