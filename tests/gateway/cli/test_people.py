"""`tagway import people` as operators run it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from domain.errors import Refused
from gateway.cli.main import app
from tests.fixtures.gateway import MASTER_KEY, REPOSITORY, make_tenant
from tests.patience import AT_ALL


async def test_a_file_is_brought_in_and_what_was_not_is_told(database_url: str, redis_url: str, tmp_path: Path) -> None:
    await make_tenant(database_url)
    file = tmp_path / "people.csv"
    file.write_text("user_id,E-Mail,age,shoe\nu1,ann.canary@example.com,46,7\nu2,bob.canary@example.com,old,7\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAGWAY_")}
    environment |= {"TAGWAY_POSTGRES_URL": database_url, "TAGWAY_REDIS_URL": redis_url, "COLUMNS": "120"}
    environment |= {"TAGWAY_MASTER_KEY": MASTER_KEY.hex(), "TAGWAY_DATA": str(tmp_path / "data")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli.main", "import", "people", str(file), "--workspace", "shop"),
        *("--column", "E-Mail=email", "--purposes", "functional, analytics", "--basis", "contract"),
        cwd=REPOSITORY,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = (text.decode() for text in await asyncio.wait_for(process.communicate(), AT_ALL))
    assert process.returncode == 1
    assert complained.splitlines()[-1] == "tagway: 1 of 2 rows were not taken"
    lines = said.splitlines()
    assert "line 3: traits.age: must be integer" in lines
    assert "1 rows brought in" in lines
    assert "traits.shoe was left out of 1 rows: unannotated" in lines
    assert "canary" not in said + complained


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--purposes", "analytics"], "--purposes and --basis belong together"),
        (["--basis", "contract"], "--purposes and --basis belong together"),
        (["--purposes", "necessary", "--basis", "contract"], "necessary is not a purpose"),
        (["--column", "email"], "--column email: is not COLUMN=NAME"),
    ],
)
def test_wrong_options_are_refused_before_the_work(tmp_path: Path, options: list[str], said: str) -> None:
    file = tmp_path / "people.csv"
    file.write_text("user_id\n")
    result = CliRunner().invoke(app, ["import", "people", str(file), *options])
    assert isinstance(result.exception, Refused)
    assert said in str(result.exception)
