"""The command line for segments, as a process of its own."""

import asyncio
import os
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg

ROOT = Path(__file__).parents[3]


async def tagway(url: str, *arguments: str) -> tuple[int, str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAGWAY_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli.main", "segments", *arguments),
        cwd=ROOT,
        env={**environment, "TAGWAY_POSTGRES_URL": url, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, said.decode(), complained.decode()


async def test_a_ready_made_segment_is_added_once(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO workspace (id, name, wrapped_key, created_at) VALUES ($1, 'shop', '', now())", uuid4()
    )
    await connection.close()
    assert await tagway(database_url, "add", "cart-abandoner", "--workspace", "shop") == (
        0,
        "cart-abandoner is being built\n",
        "",
    )
    code, _, complained = await tagway(database_url, "add", "cart-abandoner", "--workspace", "shop")
    assert (code, complained) == (1, "tagway: there is a segment cart-abandoner already\n")
    _, said, _ = await tagway(database_url, "list", "--workspace", "shop")
    assert "building" in said
    assert "did(add_to_cart) then not(purchase) within 24h in 30d" in said


async def test_a_definition_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "rule"
    file.write_text("trait plan == 1")
    code, said, _ = await tagway("", "check", str(file))
    assert (code, '"type": "trait"' in said) == (0, True)
    file.write_text(said)
    assert await tagway("", "check", str(file)) == (0, "trait plan == 1\n", "")
    file.write_text("trait plan = 1")
    code, _, complained = await tagway("", "check", str(file))
    assert (code, complained.startswith("tagway: column 12")) == (1, True)
