from pathlib import Path
from uuid import uuid4

import asyncpg

from tests.fixtures.terminal import tagway, tagway_process

ADD = ("segments", "add", "cart-abandoner", "--workspace", "shop")


async def test_a_ready_made_segment_is_added_once(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO workspace (id, name, wrapped_key, created_at) VALUES ($1, 'shop', '', now())", uuid4()
    )
    await connection.close()
    assert await tagway_process(*ADD, postgres_url=database_url) == (
        0,
        "cart-abandoner is being built\n",
        "",
    )
    code, _, complained = await tagway(*ADD, postgres_url=database_url)
    assert (code, complained) == (1, "tagway: there is a segment cart-abandoner already\n")
    _, said, _ = await tagway("segments", "list", "--workspace", "shop", postgres_url=database_url)
    assert "building" in said
    assert "did(add_to_cart) then not(purchase) within 24h in 30d" in said


async def test_a_definition_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "rule"
    file.write_text("trait plan == 1")
    code, said, _ = await tagway("segments", "check", str(file))
    assert (code, '"type": "trait"' in said) == (0, True)
    file.write_text(said)
    assert await tagway("segments", "check", str(file)) == (0, "trait plan == 1\n", "")
    file.write_text("trait plan = 1")
    code, _, complained = await tagway("segments", "check", str(file))
    assert (code, complained.startswith("tagway: column 12")) == (1, True)
