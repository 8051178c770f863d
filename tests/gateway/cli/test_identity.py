from pathlib import Path

import pytest
from typer.testing import CliRunner

from domain.errors import Refused
from gateway.cli.identity import app

CSV = "name,birthday,zip\nAnn Muller,1980-02-29,70173\nBob Jones,1980-02-29,1010\nAnn Mueller,1980-02-29,70173\n"


def test_rows_of_a_file_that_are_alike_are_told_by_their_numbers_alone(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(CSV)
    result = CliRunner().invoke(app, ["duplicates", str(file)])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split()[:2] == ["1", "3"]
    assert "Ann" not in result.stdout
    assert "no two rows" in CliRunner().invoke(app, ["duplicates", str(file), "--least", "1"]).stdout


def test_a_file_that_is_no_json_is_refused_without_its_content(tmp_path: Path) -> None:
    file = tmp_path / "people.jsonl"
    file.write_text('{"name": "Ann"}\nAnn\n')
    result = CliRunner().invoke(app, ["duplicates", str(file)])
    assert isinstance(result.exception, Refused)
    with pytest.raises(Refused, match=r"people\.jsonl is not one JSON object per line"):
        raise result.exception
