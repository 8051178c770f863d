"""Bring a database to the schema of this version, each file once."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import asyncpg

from domain.errors import StoreUnavailable
from stores.migrations import MIGRATIONS, Migration, MigrationRefused, is_after, read_migrations
from stores.reach import unreachable

_ONE_AT_A_TIME: Final = 0x7461677761790001
_ASK_FOR_TURN: Final = "SELECT pg_try_advisory_lock($1)"
_TURN_WITHIN: Final = 60.0
_TURN_EVERY: Final = 0.1

_BRIEFLY: Final = "SET lock_timeout = '4s'; SET statement_timeout = '60s'"
"""The release before may be serving meanwhile: better to fail than to queue everything behind a lock."""
_AT_LENGTH: Final = "SET lock_timeout = 0; SET statement_timeout = '12h'; SET tcp_keepalives_idle = '60s'"
"""For what is done while its table is written to, such as an index: it waits for transactions, and nobody waits for it.

Nothing is said meanwhile, and what lies between two machines may drop a connection that is silent for minutes.
"""


async def migrate(
    url: str, folder: Path = MIGRATIONS, *, after: bool = False, progress: Callable[[str], None] = lambda _name: None
) -> list[str]:
    """Apply what is missing and return the names applied; `progress` hears each name before it runs.

    Files that have to wait until no process of the release before is left are only run where `after` says so, and in a
    database that never had a schema. Many processes may call it at once: one works, the others wait, and then find
    nothing to do. Raises `MigrationRefused`, also for a role that may not, `StoreUnavailable`, and what Postgres says
    of faulty SQL. A file that fails leaves no trace, but for an index made concurrently: of that the next try removes
    what there is.
    """
    migrations = read_migrations(folder)
    connection = await _connect(url)
    try:
        await _take_turn(connection)
        due = _due(migrations, await _applied(connection), after=after)
        for migration in due:
            progress(migration.name)
            await _apply(connection, migration)
        return [migration.name for migration in due]
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationRefused(
            f"Postgres does not let this role migrate ({error.message}): it needs CREATEROLE, a database of its own, "
            "and where another role has made tagway_app and tagway_worker, these granted to it WITH ADMIN OPTION"
        ) from error
    finally:
        await connection.close()


async def pending(url: str, folder: Path = MIGRATIONS, *, after: bool = False) -> list[str]:
    """Return the names that `migrate` would apply. Raises like `migrate`."""
    migrations = read_migrations(folder)
    connection = await _connect(url)
    try:
        return [migration.name for migration in _due(migrations, await _applied(connection), after=after)]
    finally:
        await connection.close()


async def require_schema(url: str, folder: Path = MIGRATIONS) -> None:
    """Raise `MigrationRefused` when the database lacks what this version needs to start, or a later one took it away.

    What has to wait for the end of the release before is not needed, and what a later release has added is no
    hindrance. Changes nothing and needs no right to. Raises `StoreUnavailable`.
    """
    connection = await _connect(url)
    try:
        rows = await connection.fetch("SELECT number, name FROM schema_migration ORDER BY number")
    except asyncpg.UndefinedTableError:
        rows = []
    except asyncpg.PostgresError as error:
        raise StoreUnavailable(f"Postgres refuses to tell its schema: {type(error).__name__}") from error
    finally:
        await connection.close()
    migrations = read_migrations(folder)
    applied = {row["number"] for row in rows}
    missing = [each.name for each in migrations if not each.after and each.number not in applied]
    if missing:
        raise MigrationRefused(f"the database lacks {', '.join(missing)}: run `tagway migrate`")
    known = {each.number for each in migrations}
    taken = [row["name"] for row in rows if is_after(row["name"]) and row["number"] not in known]
    if taken:
        raise MigrationRefused(f"{', '.join(taken)} took away what this version needs: start the newer one")


async def _connect(url: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(url, timeout=10)
    except (OSError, TimeoutError) as error:
        raise unreachable("Postgres", error) from error
    except asyncpg.exceptions.ClientConfigurationError as error:
        raise StoreUnavailable(f"the URL of Postgres cannot be used: {error}") from error
    except ValueError:
        raise StoreUnavailable("the URL of Postgres cannot be used") from None
    except asyncpg.PostgresError as error:
        raise StoreUnavailable(f"Postgres refuses the connection: {type(error).__name__}") from error


async def _take_turn(connection: asyncpg.Connection) -> None:
    """Wait until nobody else migrates this database. Raises `MigrationRefused` after a minute.

    It is asked for again and again: a statement that waited for it would be waited for by an index made concurrently,
    and neither would ever end.
    """
    try:
        async with asyncio.timeout(_TURN_WITHIN):
            while not await connection.fetchval(_ASK_FOR_TURN, _ONE_AT_A_TIME):  # noqa: ASYNC110 - others give it free
                await asyncio.sleep(_TURN_EVERY)
    except TimeoutError:
        raise MigrationRefused("another process migrates this database: wait until it is done") from None


async def _applied(connection: asyncpg.Connection) -> dict[int, tuple[str, str]]:
    """Return number → (name, sha256) of what the database has."""
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration ("
        " number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now())"
    )
    rows = await connection.fetch("SELECT number, name, sha256 FROM schema_migration")
    return {row["number"]: (row["name"], row["sha256"]) for row in rows}


def _due(migrations: Sequence[Migration], applied: dict[int, tuple[str, str]], *, after: bool) -> list[Migration]:
    """Return what is to be applied, in order. In a database without a schema no release was at work before."""
    missing = _missing(migrations, applied)
    return [migration for migration in missing if after or not applied or not migration.after]


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
    newest_after = max((number for number in applied if known[number].after), default=-1)
    for migration in missing:
        if migration.number < (newest_after if migration.after else newest):
            raise MigrationRefused(f"{migration.name} comes before what the database already has: give it a new number")
    return missing


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    try:
        await connection.execute(_AT_LENGTH if migration.lasts else _BRIEFLY)
        if migration.index is None:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await _note(connection, migration)
        else:
            await _drop_if_invalid(connection, migration.index)
            await connection.execute(migration.sql)
            await _note(connection, migration)
    except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError) as error:
        raise MigrationRefused(f"{migration.name} did not come to its end ({error}): run it again") from error


async def _drop_if_invalid(connection: asyncpg.Connection, index: str) -> None:
    """Remove what is left of an index whose making was broken off: every write keeps it up, and no query uses it."""
    left = await connection.fetchval(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid", index
    )
    if left is not None:
        await connection.execute(f"DROP INDEX CONCURRENTLY {left}")


async def _note(connection: asyncpg.Connection, migration: Migration) -> None:
    await connection.execute(
        "INSERT INTO schema_migration (number, name, sha256) VALUES ($1, $2, $3)",
        migration.number,
        migration.name,
        migration.sha256,
    )
