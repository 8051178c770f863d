import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from domain.errors import StoreUnavailable
from stores.embedded.postgres import EmbeddedPostgres
from stores.migrate import MigrationRefused, migrate, pending, read_migrations
from stores.postgres import Database

_FIRST = "CREATE TABLE shop (id integer); INSERT INTO shop VALUES (1);"


async def _fetchval(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


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


@pytest.mark.parametrize("names", [["first.sql"], ["0001_a.sql", "0001_b.sql"]])
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
