"""`tagway keys rotate-…` as operators run it."""

from pathlib import Path

import pytest

from tests.fixtures.gateway import make_tenant
from tests.fixtures.terminal import tagway, tagway_process

MASTER_KEY = bytes(range(32)).hex()


async def test_a_rotation_is_foretold_run_and_listed(database_url: str, tmp_path: Path) -> None:
    await make_tenant(database_url)
    known = {"postgres_url": database_url, "data": str(tmp_path)}
    code, printed, _ = await tagway("keys", "rotate-index", "--dry-run", **known)
    assert (code, "nothing was changed" in printed) == (0, True)
    code, printed, said = await tagway_process("keys", "rotate-kek", "--settle", "6", master_key=MASTER_KEY, **known)
    assert code == 0, said
    assert "1 workspaces rotated" in printed
    assert "wrapping data keys anew" in said
    _, printed, _ = await tagway("keys", "versions", **known)
    assert [line.split()[1:4] for line in printed.splitlines()[1:]] == [
        ["index", "1", "active"],
        ["wrap", "1", "retired"],
        ["wrap", "2", "active"],
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("rotate-kek", "--workspace", "nowhere"), "there is no workspace named nowhere"),
        (("rotate-master",), "TAGWAY_PREVIOUS_MASTER_KEY"),
    ],
)
async def test_what_cannot_be_done_ends_in_one_line(
    database_url: str, tmp_path: Path, arguments: tuple[str, ...], why: str
) -> None:
    settings = {"postgres_url": database_url, "data": str(tmp_path), "master_key": MASTER_KEY}
    code, printed, said = await tagway("keys", *arguments, **settings)
    assert (code, printed) == (1, "")
    assert why in said.strip().splitlines()[-1]


async def test_the_master_key_is_replaced(database_url: str, tmp_path: Path) -> None:
    await make_tenant(database_url)
    known = {"postgres_url": database_url, "data": str(tmp_path), "master_key": "22" * 32}
    code, printed, said = await tagway("keys", "rotate-master", previous_master_key=MASTER_KEY, **known)
    assert code == 0, said
    assert printed.startswith("1 keys wrapped anew")
    code, _, said = await tagway_process("keys", "rotate-kek", "--settle", "6", **known)
    assert code == 0, said
