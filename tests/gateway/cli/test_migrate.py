"""What waits for the end of the release before: said by `tagway migrate` and the doctor, run when that is told."""

import shutil
from functools import partial
from pathlib import Path

import msgspec
import pytest

import stores.migrate
from gateway.cli import up
from gateway.cli.data import DataFolder
from gateway.doctor import stores as asked
from gateway.settings import Settings
from stores.migrations import MIGRATIONS
from tests.fixtures.terminal import tagway

NAME = "9999_take.after"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This release's files, and one that takes away."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / f"{NAME}.sql").write_text("ALTER TABLE profile DROP COLUMN traits;")
    migrate, pending = (partial(each, folder=folder) for each in (stores.migrate.migrate, stores.migrate.pending))
    monkeypatch.setattr(stores.migrate, "migrate", migrate)
    monkeypatch.setattr(stores.migrate, "pending", pending)
    monkeypatch.setattr(asked, "pending", pending)
    monkeypatch.setattr(up, "migrate", migrate)


async def test_it_is_run_when_nobody_is_left_who_needs_it(database_url: str) -> None:
    known = {"postgres_url": database_url}
    told = f"once the release before has been stopped, run `tagway migrate --after`: {NAME}\n"
    assert await tagway("migrate", **known) == (0, f"the schema is up to date\n{told}", "")
    assert await tagway("migrate", "--after", **known) == (0, f"{NAME} …\n1 migrations applied\n", "")
    assert await tagway("migrate", **known) == (0, "the schema is up to date\n", "")


async def test_the_doctor_says_that_it_waits_and_takes_it_for_no_fault(database_url: str) -> None:
    said = await asked.check_postgres(Settings(postgres_url=database_url))
    assert said == f"answers, schema up to date; {NAME} waits for `tagway migrate --after`"


@pytest.mark.parametrize(("own", "waits"), [(True, False), (False, True)])
async def test_only_on_a_database_of_its_own_up_need_not_be_told(
    own: bool, waits: bool, gateway_settings: Settings, database_url: str, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(gateway_settings, postgres_url=database_url)
    said: list[str] = []
    await up._prepare(settings, DataFolder(tmp_path), said.append, own=own)
    assert (said == []) is waits
    assert (await stores.migrate.pending(database_url, after=True) == [NAME]) is waits
