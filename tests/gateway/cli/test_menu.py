import subprocess
import sys

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.cli.menu import COMMANDS, load

HEAVY = {
    "aiokafka",
    "asyncpg",
    "cryptography",
    "numpy",
    "redis",
    "rich",
    "scipy",
    "starlette",
    "strawberry",
    "surprise",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_said_of_a_command_is_how_its_own_help_begins(name: str) -> None:
    assert load(name).help.splitlines()[0] == COMMANDS[name].help


def test_help_lists_every_command_and_loads_none() -> None:
    tell = "import sys\nfrom gateway.cli.main import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", tell, "--help"], capture_output=True, text=True, check=True)
    listed = [line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines()]
    assert listed == list(COMMANDS)
    loaded = {module.partition(".")[0] for module in done.stderr.split()}
    assert loaded & HEAVY == set()


def test_a_wrong_name_is_told_with_what_was_probably_meant() -> None:
    result = CliRunner().invoke(app, ["kys", "list"])
    assert result.exit_code == 2
    assert "No such command 'kys'. Did you mean 'keys'?" in result.output
