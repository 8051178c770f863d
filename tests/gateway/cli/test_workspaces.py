from uuid import uuid4

import asyncpg
import msgspec

from tests.fixtures.terminal import tagway, tagway_process


async def test_what_is_not_named_stays_as_it_was_set(database_url: str) -> None:
    consent = {"vendor_id": 755}
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO workspace (id, name, wrapped_key, settings, created_at) VALUES ($1, 'shop', '', $2, now())",
        uuid4(),
        msgspec.json.encode({"consent": consent, "controller": {"name": "Shop Ltd"}}).decode(),
    )
    words = ("--smallest-count", "30", "--contact", "dpo@shop.test")
    code, said, complained = await tagway("workspaces", "set", "shop", *words, postgres_url=database_url)
    kept = msgspec.json.decode(await connection.fetchval("SELECT settings FROM workspace WHERE name = 'shop'"))
    await connection.close()

    assert (code, complained) == (0, "")
    assert kept["consent"] == consent
    assert (kept["k_threshold"], kept["controller"]["name"]) == (30, "Shop Ltd")
    assert msgspec.json.decode(said)["controller"]["contact"] == "dpo@shop.test"


async def test_an_unknown_workspace_is_one_clear_line(database_url: str) -> None:
    code, _, complained = await tagway_process(
        *("workspaces", "set", "nowhere", "--smallest-count", "30"), postgres_url=database_url
    )
    assert code == 1
    assert complained.strip().count("\n") == 0
    assert "there is no workspace named nowhere" in complained
