"""What runs beside the last release takes nothing away that it might need, as far as SQL tells.

`test_last_release.py` has it run there.
"""

import re
from typing import Final

import pytest

from stores.migrations import read_migrations, without_comments

_SINCE: Final = 12
"""The first migration of which this is asked; what came before was laid down before anything ran."""

EXCEPTIONS: Final = {
    ("0013_segments", "DROP COLUMN previous_definition"): "no release was made with it; `earlier` holds what it held",
    ("0014_identity", "DROP CONSTRAINT claim_decision_check"): "the one that takes its place allows more",
    ("0014_identity", "ADD CONSTRAINT claim_decision_check"): "it allows all that the one before it allowed",
    ("0014_identity", "REVOKE UPDATE ON claim"): "claims were only ever inserted and deleted",
    ("0020_build", "DROP CONSTRAINT leaf_state_workspace_id_profile_id_fkey"): "a trigger removes what it removed",
    ("0020_build", "DROP CONSTRAINT membership_workspace_id_profile_id_fkey"): "a trigger removes what it removed",
    ("0020_build", "DROP CONSTRAINT membership_workspace_id_segment_id_fkey"): "a trigger removes what it removed",
    ("0026_build", "DROP CONSTRAINT segment_change_position_key"): "an index in its place refuses the same",
    ("0026_build", "CREATE UNIQUE INDEX segment_change_by_position ON segment_change"): "the constraint did",
    ("0026_build", "DROP INDEX segment_change_by_workspace"): "one of the same name tells of all that have a position",
    ("0026_build", "DROP INDEX segment_change_by_segment"): "one of the same name tells of all that have a position",
    ("0022_closings", "TRUNCATE ON"): "names what a trigger refuses, on a table of its own",
    ("0028_statistics", "REVOKE EXECUTE ON FUNCTION"): "the function is of this very file",
    ("0029_event_earlier", "ADD CONSTRAINT event_earlier_ends"): "what it refuses has not come yet, nor for 90 days",
    ("0031_event_quarters", "REVOKE EXECUTE ON FUNCTION"): "the functions are of this very file",
    ("0031_event_quarters", "RENAME TO event_earlier_pkey"): "nobody names an index",
    ("0031_event_quarters", "RENAME TO event_earlier_by_subject"): "nobody names an index",
    ("0031_event_quarters", "RENAME TO event_earlier_by_name"): "nobody names an index",
    ("0031_event_quarters", "RENAME TO event_earlier_by_receipt"): "nobody names an index",
    ("0031_event_quarters", "DROP CONSTRAINT event_earlier_ends"): "the part's own end refuses the same",
    ("0032_message_seen", "DROP INDEX CONCURRENTLY IF EXISTS message_seen_by_receipt"): "it spared a sweep nothing",
}
"""(file, clause) → why the release before does not notice."""

_TAKEN_AWAY: Final = re.compile(
    r"\bDROP\s+(?:COLUMN|CONSTRAINT|TABLE|INDEX|TYPE|VIEW|FUNCTION|POLICY|TRIGGER|ROLE)"
    r"\s+(?:CONCURRENTLY\s+)?(?:IF\s+EXISTS\s+)?[\w.]+"
    r"|\bALTER\s+(?:COLUMN\s+)?\w+\s+DROP\s+DEFAULT"
    r"|\bREVOKE\s+.+?\s+ON\s+[\w.]+"
    r"|\bTRUNCATE\s+\w+",
    re.IGNORECASE,
)
_RENAMED: Final = re.compile(r"\bRENAME\s+(?:COLUMN\s+|CONSTRAINT\s+)?\w+(?:\s+TO\s+\w+|\s+\w+)?", re.IGNORECASE)
_NARROWED: Final = re.compile(
    r"\bALTER\s+(?:COLUMN\s+)?\w+\s+(?:SET\s+NOT\s+NULL|(?:SET\s+DATA\s+)?TYPE\s+\w+)"
    r"|\bADD\s+(?:CONSTRAINT\s+\w+|CHECK|UNIQUE|PRIMARY\s+KEY|FOREIGN\s+KEY)"
    r"|\bCREATE\s+UNIQUE\s+INDEX\s+(?:CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?\w+\s+ON\s+(?:ONLY\s+)?\w+",
    re.IGNORECASE,
)
_ADDED: Final = re.compile(r"\bADD\s+(?:COLUMN\s+)?(?!CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN)\w+", re.IGNORECASE)
_FILLED: Final = re.compile(r"\b(?:DEFAULT|GENERATED)\b", re.IGNORECASE)
_NEW_TABLE: Final = re.compile(r"\bCREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)", re.IGNORECASE)


def clauses_that_break(sql: str) -> list[str]:
    """List the clauses by which code that knows only the schema before would fail."""
    text = without_comments(sql)
    new = set(_NEW_TABLE.findall(text))
    found = []
    for statement in text.split(";"):
        if _of_new_table(statement, new):
            continue
        for pattern in (_TAKEN_AWAY, _RENAMED, _NARROWED):
            found += [match.group() for match in pattern.finditer(statement)]
        if re.match(r"\s*ALTER TABLE\b", statement, re.IGNORECASE):
            found += [clause for clause in map(_demand, _outer_clauses(statement)) if clause]
    return found


def _of_new_table(statement: str, new: set[str]) -> bool:
    subject = re.match(r"\s*(?:ALTER\s+TABLE|CREATE\s+UNIQUE\s+INDEX\s+\w+\s+ON)\s+(\w+)", statement, re.IGNORECASE)
    return subject is not None and subject[1] in new


def _demand(clause: str) -> str | None:
    """Give the column that a clause adds, if a row that does not name it would be refused."""
    added = _ADDED.search(clause)
    if added is None or not re.search(r"\bNOT NULL\b", clause, re.IGNORECASE) or _FILLED.search(clause):
        return None
    return added.group()


def _outer_clauses(statement: str) -> list[str]:
    """Cut at the commas that stand in no parentheses."""
    depth, cut = 0, [""]
    for letter in statement:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            cut.append("")
        else:
            cut[-1] += letter
    return cut


def test_what_runs_beside_the_last_release_only_adds() -> None:
    """A clause that is found here belongs into a file `NNNN_what.after.sql`."""
    found = {
        (migration.name, clause)
        for migration in read_migrations()
        if migration.number >= _SINCE and not migration.after
        for clause in clauses_that_break(migration.sql)
    }
    assert found == set(EXCEPTIONS)


@pytest.mark.parametrize(
    ("sql", "clause"),
    [
        ("ALTER TABLE profile DROP COLUMN scores;", "DROP COLUMN scores"),
        ("DROP TABLE IF EXISTS profile;", "DROP TABLE IF EXISTS profile"),
        ("ALTER TABLE profile RENAME COLUMN scores TO points;", "RENAME COLUMN scores TO points"),
        ("ALTER TABLE profile RENAME TO person;", "RENAME TO person"),
        ("ALTER TABLE profile ADD COLUMN name text NOT NULL;", "ADD COLUMN name"),
        ("ALTER TABLE profile ADD a numeric(3, 2), ADD b text NOT NULL -- DEFAULT ''\n;", "ADD b"),
        ("ALTER TABLE profile ALTER COLUMN name SET NOT NULL;", "ALTER COLUMN name SET NOT NULL"),
        ("ALTER TABLE profile ALTER COLUMN name TYPE integer USING 1;", "ALTER COLUMN name TYPE integer"),
        ("ALTER TABLE profile ALTER name DROP DEFAULT;", "ALTER name DROP DEFAULT"),
        ("ALTER TABLE profile ADD CONSTRAINT known CHECK (name <> '');", "ADD CONSTRAINT known"),
        ("CREATE UNIQUE INDEX one ON profile (name);", "CREATE UNIQUE INDEX one ON profile"),
        ("DROP INDEX CONCURRENTLY IF EXISTS one;", "DROP INDEX CONCURRENTLY IF EXISTS one"),
        (
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one ON profile (name);",
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one ON profile",
        ),
        ("REVOKE INSERT, UPDATE ON profile FROM tagway_app;", "REVOKE INSERT, UPDATE ON profile"),
    ],
)
def test_what_breaks_is_found(sql: str, clause: str) -> None:
    assert clauses_that_break(sql) == [clause]


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE profile ADD COLUMN name text;",
        "ALTER TABLE profile ADD COLUMN at timestamptz NOT NULL DEFAULT now(), ADD COLUMN kind text;",
        "-- DROP TABLE profile\nCREATE INDEX by_name ON profile (name) WHERE name IS NOT NULL;",
        "CREATE TABLE item (id uuid NOT NULL, PRIMARY KEY (id)); CREATE UNIQUE INDEX one ON item (id);",
        "CREATE TABLE item (id uuid NOT NULL); ALTER TABLE item ADD CONSTRAINT known CHECK (true);",
        "GRANT UPDATE (name) ON profile TO tagway_worker;",
    ],
)
def test_what_only_adds_is_left_alone(sql: str) -> None:
    assert clauses_that_break(sql) == []
