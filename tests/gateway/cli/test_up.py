import asyncio
import json
import os
import select
import shutil
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from gateway.cli.data import DataFolder, DevKeys, find_stores
from gateway.cli.keeper import Moved, keep
from gateway.settings import Settings
from tests.patience import AT_ALL

ROOT = Path(__file__).parents[3]
_UP_WITHIN = 90

services = pytest.mark.services


@pytest.fixture
def data() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tagway-"))
    folder.chmod(0o711)
    yield folder / "data"
    shutil.rmtree(folder)


class House:
    """A running `tagway up`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def hears(self, text: str) -> str:
        """Wait for a line that holds `text`."""
        assert self.process.stdout is not None
        async with asyncio.timeout(_UP_WITHIN):
            while line := (await self.process.stdout.readline()).decode():
                self.said.append(line)
                if text in line:
                    return line
        pytest.fail(f"it never said {text!r}, but:\n{''.join(self.said)}")

    def children(self) -> set[int]:
        """Return the process ids of its children."""
        return set(map(int, Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()))

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), AT_ALL)


def _environment(data: Path, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TAGWAY_")}
    return kept | {"TAGWAY_DATA": str(data), "TAGWAY_PORT": str(port), "PYTHONPATH": str(ROOT)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def _up(data: Path, port: int, **settings: str) -> AsyncIterator[House]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli.main", "up"),
        cwd=ROOT,
        env=_environment(data, port) | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield House(process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.communicate(), AT_ALL)


async def _command(data: Path, *words: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli.main", *words),
        cwd=ROOT,
        env=_environment(data, _free_port()),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), AT_ALL)
    return process.returncode, output.decode()


@services
async def test_up_stops_in_order_and_a_second_run_keeps_the_data(data: Path) -> None:
    port = _free_port()
    async with _up(data, port) as house:
        await house.hears("Ctrl-C")
        keys = json.loads((data / "keys.json").read_text())
        assert set(keys) == {"workspace", "write_key", "secret_key"}
        assert keys["write_key"] in "".join(house.said)
        assert stat.S_IMODE((data / "keys.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((data / "master.key").stat().st_mode) == 0o600
        code, said = await _command(data, "up")
        assert code == 1
        assert said.count("\n") == 1
        assert "already runs" in said
        assert await house.stop() == 0
    async with _up(data, port) as house:
        await house.hears("Ctrl-C")
        assert json.loads((data / "keys.json").read_text()) == keys


@services
async def test_a_redis_that_is_named_and_not_there_is_told_before_anything_starts(
    data: Path, database_url: str
) -> None:
    named = {"TAGWAY_POSTGRES_URL": database_url, "TAGWAY_REDIS_URL": "redis://127.0.0.1:1/0"}
    async with _up(data, _free_port(), **named) as house:
        output, _ = await asyncio.wait_for(house.process.communicate(), AT_ALL)
    assert (house.process.returncode, output) == (1, b"tagway: Redis is not reachable\n")


@services
@pytest.mark.skipif(sys.platform != "linux", reason="children are found through /proc")
async def test_every_part_killed_comes_back(data: Path) -> None:
    async with _up(data, _free_port()) as house:
        await house.hears("Ctrl-C")
        before = house.children()
        assert len(before) == 5
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        for _ in before:
            await house.hears("starting it again")
        url = str(find_stores(Settings(data=data)).postgres_url)
        async with asyncio.timeout(AT_ALL):
            while len(house.children() - before) < 5 or not await _answers(url):
                await asyncio.sleep(0.05)


@services
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends what a killed parent left")
async def test_up_killed_leaves_nothing_running(data: Path) -> None:
    async with _up(data, _free_port()) as house:
        await house.hears("Ctrl-C")
        watched = [os.pidfd_open(pid) for pid in house.children()]
        house.process.kill()
        await house.process.communicate()
        await asyncio.wait_for(asyncio.gather(*(asyncio.to_thread(_wait_for_end, each) for each in watched)), AT_ALL)


@services
async def test_keys_are_made_listed_and_revoked(data: Path) -> None:
    async with _up(data, _free_port()) as house:
        await house.hears("Ctrl-C")
        code, made = await _command(data, "keys", "create", "write", "--name", "shop")
        assert (code, made.startswith("tagway_write_")) == (0, True)
        _, listed = await _command(data, "keys", "list")
        (line,) = [line for line in listed.splitlines() if "shop" in line]
        assert await _command(data, "keys", "revoke", line.split()[0]) == (0, "revoked\n")
        assert "shop" not in (await _command(data, "keys", "list"))[1]
        assert (await _command(data, "doctor"))[0] == 0
        code, workspace = await _command(data, "workspaces", "create", "second")
        assert (code, workspace.strip() in (await _command(data, "workspaces", "list"))[1]) == (0, True)
        assert (await _command(data, "workspaces", "create", "second"))[0] == 1
        assert (await _command(data, "keys", "create", "write", "--workspace", "second"))[0] == 0


async def test_named_stores_are_used_instead_of_embedded_ones(data: Path, database_url: str, redis_url: str) -> None:
    stores = {"TAGWAY_POSTGRES_URL": database_url, "TAGWAY_REDIS_URL": redis_url}
    async with _up(data, _free_port(), **stores) as house:
        await house.hears("Ctrl-C")
        assert len(house.children()) == 3
    assert not (data / "postgres").exists()
    assert not (data / "redis").exists()


@services
async def test_another_master_key_is_refused(data: Path) -> None:
    async with _up(data, _free_port()) as house:
        await house.hears("Ctrl-C")
    (data / "master.key").unlink()
    async with _up(data, _free_port()) as house:
        await house.hears("another master key")
        assert await house.process.wait() == 1
    assert not (data / "master.key").exists()


async def test_a_taken_port_is_named(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with _up(data, taken.getsockname()[1]) as house:
            await house.hears("set TAGWAY_PORT")
            assert await house.process.wait() == 1


async def test_a_command_without_stores_says_what_to_set(data: Path) -> None:
    code, said = await _command(data, "migrate")
    assert (code, said) == (1, "tagway: set TAGWAY_POSTGRES_URL, or run `tagway up`, which brings its own stores\n")


class _Wanderer:
    """A part that dies at once and comes back somewhere else."""

    async def start(self) -> str:
        return "there"

    async def wait_dead(self) -> int:
        return -signal.SIGKILL

    async def stop(self) -> None:
        pass


async def test_a_part_that_comes_back_elsewhere_ends_the_watch() -> None:
    said: list[str] = []
    with pytest.raises(Moved):
        await keep(_Wanderer(), "redis", "here", said.append)
    assert said == ["redis ended (SIGKILL); starting it again"]


async def test_a_certificate_that_cannot_be_read_ends_the_start(data: Path) -> None:
    kafka = {
        "TAGWAY_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "TAGWAY_KAFKA_SECURITY": "ssl",
        "TAGWAY_KAFKA_CA_FILE": str(data / "missing.pem"),
    }
    async with _up(data, _free_port(), **kafka) as house:
        await house.hears("tagway: TAGWAY_KAFKA_CA_FILE cannot be used: No such file or directory")
        assert await asyncio.wait_for(house.process.wait(), AT_ALL) == 1
    assert len(house.said) == 1


def test_other_commands_meet_the_brokers_as_those_that_run_do(data: Path) -> None:
    given = {"bootstrap": "one.example:9093", "security": "sasl_ssl", "sasl_mechanism": "PLAIN", "user": "u"}
    kafka = {f"TAGWAY_KAFKA_{name.upper()}": value for name, value in given.items()}
    running = Settings.read(kafka | {"TAGWAY_KAFKA_PASSWORD": "hush", "TAGWAY_POSTGRES_URL": "postgresql://db"})
    folder = DataFolder(data)
    with folder.owned():
        folder.publish(running)
        found = find_stores(Settings(data=data))
        assert (found.kafka_bootstrap, found.kafka_security, found.kafka_password) == (
            "one.example:9093",
            "sasl_ssl",
            "hush",
        )
        elsewhere = find_stores(Settings(data=data, kafka_bootstrap="other.example:9092"))
        assert (elsewhere.kafka_security, elsewhere.kafka_password) == ("plaintext", None)


def test_damaged_keys_are_made_anew(data: Path) -> None:
    folder = DataFolder(data)
    with folder.owned():
        folder.keys.write_text("{")
        assert folder.read_keys() == []


def test_keys_of_other_stores_do_not_take_the_place_of_ours(data: Path) -> None:
    folder = DataFolder(data)
    ours, theirs = DevKeys("ours", "w1", "s1"), DevKeys("theirs", "w2", "s2")
    with folder.owned():
        assert folder.write_keys(ours, own=True) == folder.keys
        assert folder.write_keys(theirs, own=False) == data / "keys-theirs.json"
        assert folder.read_keys() == [ours, theirs]
        anew = DevKeys("anew", "w3", "s3")
        assert folder.write_keys(anew, own=True) == folder.keys
        assert folder.read_keys() == [anew, theirs]


async def _answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


def _wait_for_end(descriptor: int) -> None:
    ended, _, _ = select.select([descriptor], [], [], 60)
    os.close(descriptor)
    assert ended
