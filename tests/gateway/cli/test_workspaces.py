import asyncio
import os
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec

ROOT = Path(__file__).parents[3]


async def tagway(url: str, *arguments: str) -> tuple[int, str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAGWAY_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli.main", "workspaces", *arguments),
        cwd=ROOT,
        env={**environment, "TAGWAY_POSTGRES_URL": url, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, said.decode(), complained.decode()


async def test_what_is_not_named_stays_as_it_was_set(database_url: str) -> None:
    consent = {"vendor_id": 755}
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO workspace (id, name, wrapped_key, settings, created_at) VALUES ($1, 'shop', '', $2, now())",
        uuid4(),
        msgspec.json.encode({"consent": consent, "controller": {"name": "Shop Ltd"}}).decode(),
    )
    code, said, complained = await tagway(
        database_url, "set", "shop", "--smallest-count", "30", "--contact", "dpo@shop.test"
    )
    kept = msgspec.json.decode(await connection.fetchval("SELECT settings FROM workspace WHERE name = 'shop'"))
    await connection.close()

    assert (code, complained) == (0, "")
    assert kept["consent"] == consent
    assert (kept["k_threshold"], kept["controller"]["name"]) == (30, "Shop Ltd")
    assert msgspec.json.decode(said)["controller"]["contact"] == "dpo@shop.test"


async def test_an_unknown_workspace_is_one_clear_line(database_url: str) -> None:
    code, _, complained = await tagway(database_url, "set", "nowhere", "--smallest-count", "30")
    assert code == 1
    assert complained.strip().count("\n") == 0
    assert "there is no workspace named nowhere" in complained
