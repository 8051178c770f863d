import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

import stores.migrate
from domain.errors import StoreUnavailable
from stores.embedded.postgres import EmbeddedPostgres
from stores.migrate import migrate, pending, require_schema
from stores.migrations import MigrationRefused, read_migrations
from stores.postgres import Database
from tests.fixtures.owner import owning
from tests.patience import AT_ALL

_FIRST = "CREATE TABLE shop (id integer); INSERT INTO shop VALUES (1);"
_INDEX = "-- to find one\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS shop_by_id ON shop (id);"
_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('shop_by_id')"


async def _fetchval(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def _until(url: str, found: str) -> None:
    """Wait until another session of this database is found in `pg_stat_activity`."""
    others = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    async with asyncio.timeout(AT_ALL):
        while not await _fetchval(url, f"SELECT EXISTS ({others} AND {found})"):
            await asyncio.sleep(0.01)


async def test_files_are_applied_in_order_and_once(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0002_add.sql").write_text("ALTER TABLE shop ADD name text;")
    (tmp_path / "0001_first.sql").write_text(_FIRST)
    heard: list[str] = []
    assert await pending(empty_database_url, tmp_path) == ["0001_first", "0002_add"]
    assert await migrate(empty_database_url, tmp_path, progress=heard.append) == ["0001_first", "0002_add"]
    assert heard == ["0001_first", "0002_add"]
    assert await migrate(empty_database_url, tmp_path) == []
    assert await _fetchval(empty_database_url, "SELECT count(*) FROM shop") == 1


async def test_a_failing_file_leaves_no_trace(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text(_FIRST)
    (tmp_path / "0002_bad.sql").write_text("ALTER TABLE shop ADD name text; SELECT 1/0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database_url, tmp_path)
    assert await pending(empty_database_url, tmp_path) == ["0002_bad"]
    assert (
        await _fetchval(empty_database_url, "SELECT count(*) FROM information_schema.columns WHERE table_name = 'shop'")
        == 1
    )


async def test_processes_that_migrate_at_once_do_it_once(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text(_FIRST)
    applied = await asyncio.gather(*(migrate(empty_database_url, tmp_path) for _ in range(4)))
    assert sorted(applied) == [[], [], [], ["0001_first"]]


async def test_a_changed_applied_file_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "0001_first.sql"
    file.write_text(_FIRST)
    await migrate(empty_database_url, tmp_path)
    file.write_text(_FIRST + "-- changed")
    with pytest.raises(MigrationRefused, match="changed after it was applied"):
        await migrate(empty_database_url, tmp_path)


async def test_a_newer_database_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "0002_second.sql"
    file.write_text(_FIRST)
    await migrate(empty_database_url, tmp_path)
    file.rename(tmp_path / "0001_first.sql")
    with pytest.raises(MigrationRefused, match="newer"):
        await migrate(empty_database_url, tmp_path)


async def test_a_file_that_comes_too_late_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0002_second.sql").write_text(_FIRST)
    await migrate(empty_database_url, tmp_path)
    (tmp_path / "0001_first.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationRefused, match="new number"):
        await migrate(empty_database_url, tmp_path)


async def test_what_takes_away_waits_until_it_is_said_that_nobody_needs_it(
    empty_database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "0001_first.sql").write_text(_FIRST)
    await migrate(empty_database_url, tmp_path)
    (tmp_path / "0002_take.after.sql").write_text("ALTER TABLE shop DROP COLUMN id;")
    (tmp_path / "0003_add.sql").write_text("ALTER TABLE shop ADD name text;")
    assert await migrate(empty_database_url, tmp_path) == ["0003_add"]
    await require_schema(empty_database_url, tmp_path)
    assert await pending(empty_database_url, tmp_path) == []
    assert await pending(empty_database_url, tmp_path, after=True) == ["0002_take.after"]
    assert await migrate(empty_database_url, tmp_path, after=True) == ["0002_take.after"]


async def test_what_takes_away_need_not_wait_where_nobody_was(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text(_FIRST)
    (tmp_path / "0002_take.after.sql").write_text("ALTER TABLE shop DROP COLUMN id;")
    assert await migrate(empty_database_url, tmp_path) == ["0001_first", "0002_take.after"]


async def test_a_release_does_not_start_where_a_later_one_took_away(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text(_FIRST)
    later = tmp_path / "0002_add.sql"
    later.write_text("ALTER TABLE shop ADD name text;")
    await migrate(empty_database_url, tmp_path)
    later.unlink()
    await require_schema(empty_database_url, tmp_path)
    later.write_text("ALTER TABLE shop ADD name text;")
    last = tmp_path / "0003_take.after.sql"
    last.write_text("ALTER TABLE shop DROP COLUMN id;")
    await migrate(empty_database_url, tmp_path, after=True)
    last.unlink()
    with pytest.raises(MigrationRefused, match=r"0003_take\.after took away"):
        await require_schema(empty_database_url, tmp_path)


async def test_an_index_that_was_broken_off_is_made_again(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text(_FIRST + "INSERT INTO shop VALUES (1);")
    (tmp_path / "0002_index.sql").write_text(_INDEX)
    with pytest.raises(asyncpg.UniqueViolationError):
        await migrate(empty_database_url, tmp_path)
    assert await _fetchval(empty_database_url, _VALID) is False
    await _fetchval(empty_database_url, "DELETE FROM shop")
    assert await migrate(empty_database_url, tmp_path) == ["0002_index"]
    assert await _fetchval(empty_database_url, _VALID) is True
    await _fetchval(empty_database_url, "DELETE FROM schema_migration WHERE number = 2")
    assert await migrate(empty_database_url, tmp_path) == ["0002_index"]
    (tmp_path / "0003_drop.sql").write_text("DROP INDEX CONCURRENTLY IF EXISTS shop_by_id;")
    assert await migrate(empty_database_url, tmp_path) == ["0003_drop"]
    assert await _fetchval(empty_database_url, _VALID) is None


async def test_an_index_waits_for_who_writes_and_holds_up_nobody(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither those who write to its table, nor another process that would migrate."""
    (tmp_path / "0001_first.sql").write_text(_FIRST)
    await migrate(empty_database_url, tmp_path)
    (tmp_path / "0002_index.sql").write_text(_INDEX)
    monkeypatch.setattr(stores.migrate, "_BRIEFLY", "SET lock_timeout = '10ms'; SET statement_timeout = '10ms'")
    writer = await asyncpg.connect(empty_database_url)
    writing = writer.transaction()
    await writing.start()
    await writer.execute("INSERT INTO shop VALUES (2)")
    first = asyncio.create_task(migrate(empty_database_url, tmp_path))
    await _until(empty_database_url, "query LIKE '%CONCURRENTLY%shop_by_id%' AND now() - query_start > '0.1 s'")
    await _fetchval(empty_database_url, "INSERT INTO shop VALUES (3)")
    second = asyncio.create_task(migrate(empty_database_url, tmp_path))
    await _until(empty_database_url, "query LIKE '%advisory_lock%'")
    await writing.commit()
    await writer.close()
    assert await first == ["0002_index"]
    assert await second == []
    assert await _fetchval(empty_database_url, _VALID) is True


async def test_a_constraint_is_validated_at_length(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0001_first.sql").write_text(_FIRST + "INSERT INTO shop SELECT generate_series(1, 50000);")
    (tmp_path / "0002_known.sql").write_text("ALTER TABLE shop ADD CONSTRAINT known CHECK (id > 0) NOT VALID;")
    await migrate(empty_database_url, tmp_path)
    monkeypatch.setattr(stores.migrate, "_BRIEFLY", "SET lock_timeout = '1ms'; SET statement_timeout = '1ms'")
    (tmp_path / "0003_known.sql").write_text("-- All of it.\nALTER TABLE shop VALIDATE CONSTRAINT known;\n")
    assert await migrate(empty_database_url, tmp_path) == ["0003_known"]
    assert await _fetchval(empty_database_url, "SELECT convalidated FROM pg_constraint WHERE conname = 'known'")


async def test_a_file_that_finds_no_moment_is_named_and_can_be_run_again(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0001_first.sql").write_text(_FIRST)
    await migrate(empty_database_url, tmp_path)
    (tmp_path / "0002_add.sql").write_text("ALTER TABLE shop ADD name text;")
    monkeypatch.setattr(stores.migrate, "_BRIEFLY", "SET lock_timeout = '10ms'")
    reader = await asyncpg.connect(empty_database_url)
    async with reader.transaction():
        await reader.execute("SELECT FROM shop")
        with pytest.raises(MigrationRefused, match=r"0002_add did not come to its end.*lock timeout"):
            await migrate(empty_database_url, tmp_path)
    await reader.close()
    assert await migrate(empty_database_url, tmp_path) == ["0002_add"]


async def test_who_waits_too_long_for_another_is_told(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0001_first.sql").write_text(_FIRST)
    monkeypatch.setattr(stores.migrate, "_TURN_WITHIN", 0.1)
    other = await asyncpg.connect(empty_database_url)
    await other.execute("SELECT pg_advisory_lock($1)", stores.migrate._ONE_AT_A_TIME)
    with pytest.raises(MigrationRefused, match="another process migrates"):
        await migrate(empty_database_url, tmp_path)
    await other.close()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX CONCURRENTLY shop_by_id ON shop (id);",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS one ON shop (id); ANALYZE shop;",
        "REINDEX INDEX CONCURRENTLY shop_by_id;",
        "ALTER TABLE shop VALIDATE CONSTRAINT known; ANALYZE shop;",
    ],
)
def test_what_takes_long_and_is_not_alone_or_could_not_be_run_again_is_refused(tmp_path: Path, sql: str) -> None:
    (tmp_path / "0001_index.sql").write_text(sql)
    with pytest.raises(MigrationRefused, match="0001_index must be nothing but"):
        read_migrations(tmp_path)


@pytest.mark.parametrize("names", [["first.sql"], ["0001_a.sql", "0001_b.sql"], ["0001_a.later.sql"]])
def test_names_that_do_not_fit_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(MigrationRefused):
        read_migrations(tmp_path)


async def test_a_refused_connection_is_a_store_unavailable(postgres_server: EmbeddedPostgres) -> None:
    wrong = urlsplit(postgres_server.url)
    url = wrong._replace(netloc=f"tagway:wrong@127.0.0.1:{wrong.port}").geturl()
    with pytest.raises(StoreUnavailable, match="InvalidPasswordError"):
        await migrate(url)
    with pytest.raises(StoreUnavailable, match="InvalidPasswordError"):
        await Database.open(url, role="app")


async def test_a_role_that_may_not_migrate_is_told_what_it_needs(postgres_server: EmbeddedPostgres) -> None:
    async with owning(postgres_server, knows_roles=False) as (url,):
        with pytest.raises(MigrationRefused, match=r"permission denied to grant role .* WITH ADMIN OPTION"):
            await migrate(url)
        with pytest.raises(MigrationRefused, match=r"permission denied for schema public.* a database of its own"):
            await migrate(f"{url.rpartition('/')[0]}/postgres")
