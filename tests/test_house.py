"""The house rules that no linter of ours knows."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateway.settings import Settings

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["importlinter"]["root_packages"]
SOURCES = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
NOT_PACKAGES = {"bench", "docs", "migrations", "requirements", "scripts", "tests"}


def test_every_top_level_folder_is_under_contract() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    folders = {name.split("/", 1)[0] for name in tracked if "/" in name and not name.startswith(".")}
    assert folders - NOT_PACKAGES <= set(PACKAGES) | {"console"}
    assert "console" in PACKAGES or not list((ROOT / "console").glob("*.py"))


def test_imports_only_point_down_and_never_round() -> None:
    # The cache goes by the times of files, which a change of branch may leave as they are.
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    checked = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name == "__init__.py"], ids=str)
def test_inner_init_files_stay_empty(path: Path) -> None:
    assert not path.read_text()


def test_the_environment_is_read_in_one_place() -> None:
    readers = {str(path.relative_to(ROOT)) for path in SOURCES if re.search(r"os\.(environ|getenv)", path.read_text())}
    assert readers == {"gateway/settings.py"}


def test_every_setting_is_read_by_somebody() -> None:
    text = "\n".join(path.read_text() for path in SOURCES)
    assert [name for name in Settings.__struct_fields__ if not re.search(rf"\.{name}\b", text)] == []


def test_sql_stays_in_stores() -> None:
    statement = re.compile(r"\b(SELECT\s.+\sFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b")
    outside = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if not path.is_relative_to(ROOT / "stores") and statement.search(path.read_text())
    ]
    assert outside == []


def test_no_file_knows_a_registry_or_a_machine() -> None:
    hosts = "|".join(
        ("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs", "repo1?" + r"\.maven", "/ro" + "ot/")
    )
    found = subprocess.run(
        ["git", "grep", "-nIE", hosts, "--", ".", ":!*.svg"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert found.stdout == ""


def test_the_house_keeps_its_promised_rooms() -> None:
    promised = ["gateway", "tag_sdk", "resolvers", "privacy", "migrations", "tests", "pyproject.toml", "README.md"]
    assert [name for name in promised if not (ROOT / name).exists()] == []
