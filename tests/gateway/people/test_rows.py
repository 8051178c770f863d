"""Files of people as they come."""

from pathlib import Path

import pytest

from domain.errors import Refused
from gateway.people.rows import Row, read_rows


def rows(path: Path, content: bytes) -> list[Row]:
    path.write_bytes(content)
    found = list(read_rows(path))
    assert all(0 < row.share <= 1 for row in found)
    return found


def test_either_shape_gives_the_same_rows(tmp_path: Path) -> None:
    csv = rows(tmp_path / "a.csv", b'\xef\xbb\xbfuser_id,name,plan\r\n1,Ann,\r\n\r\n2,"Bob\n",gold\r\n')
    json = rows(tmp_path / "a.jsonl", b'{"user_id": "1", "name": "Ann"}\n\n{"user_id": "2", "name": "Bob\\n"}\n')
    assert [(row.line, row.values) for row in csv] == [
        (2, {"user_id": "1", "name": "Ann"}),
        (4, {"user_id": "2", "name": "Bob\n", "plan": "gold"}),
    ]
    assert [(row.line, row.values["name"]) for row in json] == [(1, "Ann"), (3, "Bob\n")]


def test_a_broken_row_is_told_by_its_line_and_costs_no_other(tmp_path: Path) -> None:
    csv = rows(tmp_path / "a.csv", b'user_id,name\n1,Ann,more\n2,B\xfcb\n3,"Eve"x\n4,Dan\n')
    assert [(row.line, row.problem) for row in csv] == [
        (2, "more fields than the first line names"),
        (3, "not valid UTF-8"),
        (4, "not valid CSV"),
        (5, None),
    ]
    json = rows(tmp_path / "a.jsonl", b'["Ann"]\n{"name": \n{"name": "B\xfcb"}\n{"name": "Dan"}\n')
    assert [row.problem for row in json] == ["not one JSON object", "not one JSON object", "not valid UTF-8", None]


@pytest.mark.parametrize("header", [b"", b"name,,plan\n", b"name,name\n"])
def test_a_header_that_does_not_name_its_columns_is_refused(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(Refused, match="first line"):
        rows(tmp_path / "a.csv", header)
