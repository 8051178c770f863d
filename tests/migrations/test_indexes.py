"""An index on a table that was there before is made while events are written to it, however many rows there are."""

import re
from typing import Final

import pytest

from stores.migrations import read_migrations, without_comments

_SINCE: Final = 29
"""The first migration of which this is asked: before, all were made with their tables locked."""

_NEW_TABLE: Final = re.compile(r"\bCREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.IGNORECASE)
_CREATED: Final = re.compile(
    r"\bCREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY\b)(?:IF NOT EXISTS )?(?:\w+ )?ON (?!ONLY\b)(?P<table>\w+)",
    re.IGNORECASE,
)
_CONSTRAINED: Final = re.compile(
    r"\bALTER TABLE (?:IF EXISTS )?(?P<table>\w+) .*\b(?:UNIQUE|PRIMARY KEY|EXCLUDE)\b(?! USING INDEX)", re.IGNORECASE
)


def locked_for_an_index(sql: str) -> list[str]:
    """Name the tables of before that nobody can write to until an index of them is made."""
    text = without_comments(sql)
    new = set(_NEW_TABLE.findall(text))
    found = [
        match["table"]
        for pattern in (_CREATED, _CONSTRAINED)
        for each in text.split(";")
        if (match := pattern.search(each))
    ]
    return [table for table in found if table not in new]


def test_no_table_is_locked_for_an_index() -> None:
    """What is found here belongs into a file of its own, as CONTRIBUTING.md tells."""
    found = {each.name: tables for each in read_migrations() if (tables := locked_for_an_index(each.sql))}
    assert [name for name in found if int(name[:4]) >= _SINCE] == []
    assert found["0026_build"] == ["segment_change"] * 3


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX ON profile (name);",
        "create unique index if not exists one\n ON profile (name);",
        "ALTER TABLE profile ADD CONSTRAINT one UNIQUE (name);",
        "ALTER TABLE profile ADD COLUMN number integer UNIQUE;",
        "ALTER TABLE profile ADD PRIMARY KEY (id);",
    ],
)
def test_an_index_under_a_lock_is_found(sql: str) -> None:
    assert locked_for_an_index(sql) == ["profile"]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_name ON profile (name);",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one ON profile (name);",
        "CREATE INDEX by_name ON ONLY event (name); ALTER INDEX by_name ATTACH PARTITION event_default_by_name;",
        "CREATE TABLE item (id uuid); CREATE INDEX ON item (id); ALTER TABLE item ADD UNIQUE (id);",
        "ALTER TABLE profile ADD CONSTRAINT one UNIQUE USING INDEX one;",
        "-- CREATE INDEX ON profile (name)\nALTER TABLE profile ADD COLUMN name text;",
    ],
)
def test_an_index_that_locks_nobody_out_is_left_alone(sql: str) -> None:
    assert locked_for_an_index(sql) == []
