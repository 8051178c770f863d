"""Bring a database to the schema of this version: plain SQL files, in order, each applied once."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import asyncpg

from domain.errors import CannotRun, StoreUnavailable

MIGRATIONS = Path(__file__).parents[1] / "migrations"

_ONE_AT_A_TIME = 0x7461677761790001
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class MigrationRefused(CannotRun):
    """The files and the database do not fit; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file `NNNN_what.sql`."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The hash that proves an applied file unchanged."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """Read the files in order. Raises `MigrationRefused` for a name that does not fit or a number used twice."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise MigrationRefused(f"{path.name} is not named NNNN_what.sql")
        migrations.append(Migration(int(match.group(1)), path.stem, path.read_text()))
    for earlier, later in pairwise(migrations):
        if earlier.number == later.number:
            raise MigrationRefused(f"{earlier.name} and {later.name} share a number")
    return migrations


async def migrate(
    url: str, folder: Path = MIGRATIONS, *, progress: Callable[[str], None] = lambda _name: None
) -> list[str]:
    """Apply what is missing and return the names applied; `progress` hears each name before it runs.

    Many processes may call it at once: one works, the others wait and then find nothing to do. Raises
    `MigrationRefused`, `StoreUnavailable`, and what Postgres says of faulty SQL; a file that fails leaves no trace.
    """
    migrations = read_migrations(folder)
    connection = await _connect(url)
    try:
        await connection.execute("SET lock_timeout = '60s'")
        await connection.execute("SELECT pg_advisory_lock($1)", _ONE_AT_A_TIME)
        # an old version may be serving meanwhile: better to fail than to queue everything behind a lock
        await connection.execute("SET lock_timeout = '4s'; SET statement_timeout = '60s'")
        missing = _missing(migrations, await _applied(connection))
        for migration in missing:
            progress(migration.name)
            await _apply(connection, migration)
        return [migration.name for migration in missing]
    finally:
        await connection.close()


async def pending(url: str, folder: Path = MIGRATIONS) -> list[str]:
    """Return the names that `migrate` would apply. Raises like `migrate`."""
    migrations = read_migrations(folder)
    connection = await _connect(url)
    try:
        return [migration.name for migration in _missing(migrations, await _applied(connection))]
    finally:
        await connection.close()


async def require_schema(url: str, folder: Path = MIGRATIONS) -> None:
    """Raise `MigrationRefused` when the database lacks what this version needs; one that is newer is no hindrance.

    Changes nothing and needs no right to. Raises `StoreUnavailable`.
    """
    connection = await _connect(url)
    try:
        rows = await connection.fetch("SELECT number FROM schema_migration")
    except asyncpg.UndefinedTableError:
        rows = []
    except asyncpg.PostgresError as error:
        raise StoreUnavailable(f"Postgres refuses to tell its schema: {type(error).__name__}") from error
    finally:
        await connection.close()
    applied = {row["number"] for row in rows}
    missing = [migration.name for migration in read_migrations(folder) if migration.number not in applied]
    if missing:
        raise MigrationRefused(f"the database lacks {', '.join(missing)}: run `tagway migrate`")


async def _connect(url: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(url, timeout=10)
    except (OSError, TimeoutError) as error:
        raise StoreUnavailable("Postgres is not reachable") from error
    except asyncpg.PostgresError as error:
        raise StoreUnavailable(f"Postgres refuses the connection: {type(error).__name__}") from error


async def _applied(connection: asyncpg.Connection) -> dict[int, tuple[str, str]]:
    """Return number → (name, sha256) of what the database has."""
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration ("
        " number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now())"
    )
    rows = await connection.fetch("SELECT number, name, sha256 FROM schema_migration")
    return {row["number"]: (row["name"], row["sha256"]) for row in rows}


def _missing(migrations: Sequence[Migration], applied: dict[int, tuple[str, str]]) -> list[Migration]:
    known = {migration.number: migration for migration in migrations}
    for number, (name, sha256) in applied.items():
        if number not in known:
            raise MigrationRefused(
                f"the database has {name}, which this version does not know: it is newer than we are"
            )
        if known[number].sha256 != sha256:
            raise MigrationRefused(
                f"{known[number].name} was changed after it was applied: write a new migration instead"
            )
    missing = [migration for migration in migrations if migration.number not in applied]
    newest = max(applied, default=-1)
    for migration in missing:
        if migration.number < newest:
            raise MigrationRefused(f"{migration.name} comes before what the database already has: give it a new number")
    return missing


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO schema_migration (number, name, sha256) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.sha256,
        )
