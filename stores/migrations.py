"""The files that make the schema: plain SQL in the order of its numbers, of two kinds.

`NNNN_what.sql` runs while the release before is at work, and only adds. `NNNN_what.after.sql` runs when no process of
that release is left, and may take away. An index that is made or dropped CONCURRENTLY is a file of its own, of either
kind: it runs outside of a transaction, and may take hours. So may a constraint that is validated, in a file of its own.
"""

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from domain.errors import CannotRun

MIGRATIONS: Final = Path(__file__).parents[1] / "migrations"

_AFTER: Final = ".after"
_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+(?:\.after)?\.sql")
_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_LASTS: Final = re.compile(r"\bCONCURRENTLY\b|\bVALIDATE CONSTRAINT\b", re.IGNORECASE)
_ONE_INDEX: Final = re.compile(
    r"(?:CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS|DROP INDEX CONCURRENTLY IF EXISTS) (\w+)[^;]*;?",
    re.IGNORECASE,
)
_ONE_CONSTRAINT: Final = re.compile(r"ALTER TABLE \w+ VALIDATE CONSTRAINT \w+;?", re.IGNORECASE)


class MigrationRefused(CannotRun):
    """The files and the database do not fit, or not now; no file is half applied."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file, by its number, its name without `.sql`, and its text.

    `index` is what it makes or drops CONCURRENTLY, alone and outside of a transaction; None where it does not. `lasts`
    says that it may take hours, in which nobody waits for it.
    """

    number: int
    name: str
    sql: str
    index: str | None = None
    lasts: bool = False

    @property
    def after(self) -> bool:
        """Whether it has to wait until no process of the release before is left."""
        return is_after(self.name)

    @property
    def sha256(self) -> str:
        """The hash that proves an applied file unchanged."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def is_after(name: str) -> bool:
    """Tell of a migration's name whether it may take away what the release before needs."""
    return name.endswith(_AFTER)


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """Read the files in order.

    Raises `MigrationRefused` for a name that does not fit, a number used twice, a constraint validated or an index made
    concurrently that is not alone in its file, and an index that could not be made again.
    """
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise MigrationRefused(f"{path.name} is not named NNNN_what.sql or NNNN_what.after.sql")
        sql = path.read_text()
        migrations.append(Migration(int(match.group(1)), path.stem, sql, *_at_length(path.stem, sql)))
    for earlier, later in pairwise(migrations):
        if earlier.number == later.number:
            raise MigrationRefused(f"{earlier.name} and {later.name} share a number")
    return migrations


def without_comments(sql: str) -> str:
    """Return the statements in one line."""
    return " ".join(_COMMENT.sub(" ", sql).split())


def _at_length(name: str, sql: str) -> tuple[str | None, bool]:
    """Tell what index a file makes or drops CONCURRENTLY, and whether it may take hours."""
    text = without_comments(sql)
    if not _LASTS.search(text):
        return None, False
    if _ONE_CONSTRAINT.fullmatch(text):
        return None, True
    match = _ONE_INDEX.fullmatch(text)
    if match is None:
        raise MigrationRefused(
            f"{name} must be nothing but CREATE INDEX CONCURRENTLY IF NOT EXISTS, DROP INDEX CONCURRENTLY IF EXISTS, or"
            " ALTER TABLE … VALIDATE CONSTRAINT"
        )
    return match.group(1), True
