"""The rows of a file of people, CSV with a header or JSON lines; one that is broken costs no other."""

import csv
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

from domain.errors import Refused

JSON_ENDINGS: Final = frozenset({".jsonl", ".ndjson", ".json"})
_NOT_UTF8: Final = "not valid UTF-8"


class Row(msgspec.Struct, frozen=True):
    """One row: what its fields hold, or else what is wrong with it, without a value."""

    line: int
    """Line of the file that it begins on, from 1."""
    share: float
    """How much of the file has been read, 0 to 1."""
    values: dict[str, Any] = {}
    problem: str | None = None


def read_rows(path: Path) -> Iterator[Row]:
    """Read a file row by row; its ending tells JSON lines from CSV. Raises `OSError`, and `Refused` for its header."""
    size = max(1, path.stat().st_size)
    read = _read_json if path.suffix.lower() in JSON_ENDINGS else _read_csv
    # What is not UTF-8 is found row by row.
    with path.open("rb") as raw, TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="") as text:
        for line, values, problem in read(text):
            yield Row(line, min(1.0, raw.tell() / size), values, problem)


_Read = tuple[int, dict[str, Any], str | None]


def _read_json(text: TextIO) -> Iterator[_Read]:
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            yield number, msgspec.json.decode(line, type=dict[str, Any]), None
        except UnicodeError:
            yield number, {}, _NOT_UTF8
        except (msgspec.MsgspecError, RecursionError):
            yield number, {}, "not one JSON object"


def _read_csv(text: TextIO) -> Iterator[_Read]:
    lines = csv.reader(text, strict=True)
    try:
        names = [name.strip() for name in next(lines, [])]
    except csv.Error:
        names = []
    if not names or not all(names) or len(set(names)) < len(names):
        raise Refused("the first line must name every column, each by a name of its own")
    while True:
        line = lines.line_num + 1
        try:
            fields = next(lines, None)
        except csv.Error:
            yield line, {}, "not valid CSV"
            continue
        if fields is None:
            return
        if fields:
            yield line, *_named(names, fields)


def _named(names: list[str], fields: list[str]) -> tuple[dict[str, Any], str | None]:
    """Give the fields that hold anything their names."""
    if len(fields) > len(names):
        return {}, "more fields than the first line names"
    try:
        "".join(fields).encode()
    except UnicodeError:
        return {}, _NOT_UTF8
    return {name: value for name, value in zip(names, fields, strict=False) if value.strip()}, None
