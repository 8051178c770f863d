from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from domain.errors import Refused
from gateway.cli.main import app


def write(path: Path) -> Path:
    rows = [
        f"p{person},i{10 * (person % 2) + person % 5 + step},{person * 10 + step}"
        for person in range(40)
        for step in range(5)
    ]
    path.write_text("\n".join(["person,item,timestamp", *rows]))
    return path


def test_the_tables_and_the_chart_are_made(tmp_path: Path) -> None:
    path, chart = write(tmp_path / "events.csv"), tmp_path / "chart.svg"
    result = CliRunner().invoke(
        app, ["evaluate", "--interactions", str(path), "--chart", str(chart)], env={"COLUMNS": "140"}
    )
    assert result.exit_code == 0, result.output
    for word in ("200 rows: 40 people", "popularity", "served: the blend", "hit@10", "NDCG", "cover"):
        assert word in result.output
    drawn = ET.fromstring(chart.read_text())
    assert len(drawn.findall(".//{*}rect[@class='mean']")) > 10


def test_a_file_without_ratings_is_told_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", "--ratings", str(write(tmp_path / "events.csv"))])
    assert "no ratings" in str(result.exception)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("--ratings", "user,item,rating\n1,2,5\n1,3,4\n", "2 ratings are too few for 5 folds"),
        ("--interactions", "user,item\n1,2\n2,2\n", "nobody to judge by"),
        ("--interactions", "user,item\n", "nobody to judge by"),
    ],
)
def test_a_file_with_too_little_in_it_is_told_so(tmp_path: Path, kind: str, text: str, said: str) -> None:
    path, chart = tmp_path / "few.csv", tmp_path / "chart.svg"
    path.write_text(text)
    result = CliRunner().invoke(app, ["evaluate", kind, str(path), "--chart", str(chart)])
    assert isinstance(result.exception, Refused)
    assert said in str(result.exception)


def test_a_chart_without_a_folder_is_refused_before_the_work(tmp_path: Path) -> None:
    path, chart = write(tmp_path / "events.csv"), tmp_path / "none" / "chart.svg"
    result = CliRunner().invoke(app, ["evaluate", "--interactions", str(path), "--chart", str(chart)])
    assert "there is no folder" in str(result.exception)
    assert "rows" not in result.output


def test_one_file_is_needed() -> None:
    result = CliRunner().invoke(app, ["evaluate"])
    assert "name one file" in str(result.exception)
