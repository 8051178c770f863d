from pathlib import Path
from xml.etree import ElementTree as ET

from typer.testing import CliRunner

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


def test_one_file_is_needed() -> None:
    result = CliRunner().invoke(app, ["evaluate"])
    assert "name one file" in str(result.exception)
