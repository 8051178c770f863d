import asyncio
import os
import resource
import struct
import subprocess
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from privacy.keys import LocalMasterKey, new_key
from privacy.parcel import ParcelSealer
from privacy.sealing import Unreadable
from stores.spool import spool as spool_module
from stores.spool.spool import Spool, SpoolFull
from tests.patience import AT_ALL

PROVIDER = LocalMasterKey(bytes(32))
ROOM = 1_000_000


@asynccontextmanager
async def opened(root: Path, most: int = ROOM, provider: LocalMasterKey = PROVIDER) -> AsyncIterator[Spool]:
    spool = await Spool.open(root, provider, most_bytes=most)
    try:
        yield spool
    finally:
        await spool.close()


async def taken(spool: Spool) -> list[bytes]:
    """Take out everything, the oldest first."""
    bodies: list[bytes] = []
    while oldest := await spool.oldest():
        bodies += oldest.bodies
        await spool.remove(oldest.path)
    return bodies


def files(root: Path, folder: str = "0") -> list[Path]:
    return sorted((root / folder).glob("*.spool"))


async def test_bodies_come_back_in_order_and_leave_nothing_behind(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        for number in range(20):
            await spool.append(b"one %d" % number)
        assert spool.entries == 20
        assert (await taken(spool)) == [b"one %d" % number for number in range(20)]
        assert (spool.entries, spool.size, files(tmp_path)) == (0, 0, [])


async def test_another_process_finds_what_one_that_died_was_given(tmp_path: Path) -> None:
    first = await Spool.open(tmp_path, PROVIDER, most_bytes=ROOM)
    await asyncio.gather(*(first.append(b"%d" % number) for number in range(50)))
    copies = [(path.name, path.read_bytes()) for path in files(tmp_path)]
    await first.close()
    other = tmp_path / "other" / "0"
    other.mkdir(parents=True)
    for name, data in copies:  # as the disk was while the first still ran
        (other / name).write_bytes(data)
    async with opened(tmp_path / "other") as spool:
        await spool.append(b"new")
        assert await taken(spool) == [*(b"%d" % number for number in range(50)), b"new"]


async def test_nothing_of_a_body_can_be_read_on_the_disk(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append(b"ada@example.com" * 10)
        (path,) = files(tmp_path)
        assert b"ada" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


async def damage(root: Path, bodies: tuple[bytes, ...], places: tuple[int, ...]) -> Path:
    """Leave a file in which a byte each of some bodies is another."""
    ends = []
    async with opened(root) as spool:
        for body in bodies:
            await spool.append(body)
            ends.append(files(root)[0].stat().st_size)
    (path,) = files(root)
    data = bytearray(path.read_bytes())
    for place in places:
        data[ends[place] - 150] ^= 1  # behind it lies the frame of the key, of some hundred bytes
    path.write_bytes(data)
    return path


async def test_damage_is_counted_and_logged_once_and_its_file_is_kept(tmp_path: Path) -> None:
    bodies = tuple(bytes([number]) * 200 for number in range(20))
    path = await damage(tmp_path, bodies, (0, 5, 19))
    left = [body for place, body in enumerate(bodies) if place not in {0, 5, 19}]
    async with opened(tmp_path) as spool:
        assert spool.entries == 20
        with capture_logs() as lines:
            for _ in range(3):  # as long as a store is away, it is read and cannot be removed
                oldest = await spool.oldest()
                assert oldest is not None
                assert list(oldest.bodies) == left
            assert await taken(spool) == left
        assert spool.damaged == 3
        [line] = lines
        assert (line["event"], line["file"], line["lost"]) == ("spool_file_damaged", path.name, 3)
        assert len(line["bytes"]) == 3
        assert path.with_suffix(".damaged").exists()
        assert spool.bytes_aside == path.with_suffix(".damaged").stat().st_size


async def test_a_file_that_is_put_aside_is_never_overwritten_by_another(tmp_path: Path) -> None:
    kept = []
    for _ in range(3):
        path = await damage(tmp_path, (bytes(200),), (0,))
        kept.append(path.read_bytes())
        async with opened(tmp_path) as spool:
            assert await taken(spool) == []
    assert sorted(path.read_bytes() for path in (tmp_path / "0").glob("*.damaged")) == sorted(kept)


async def test_pages_of_zeroes_at_the_end_are_no_requests(tmp_path: Path) -> None:
    path = await damage(tmp_path, (b"whole",), ())
    path.write_bytes(path.read_bytes() + bytes(4_096))
    async with opened(tmp_path) as spool:
        assert await taken(spool) == [b"whole"]
        assert spool.damaged == 1
        assert path.with_suffix(".damaged").exists()


async def test_a_file_in_which_nothing_was_written_is_no_damage(tmp_path: Path) -> None:
    path = await damage(tmp_path, (b"whole",), ())
    path.with_name(f"{9:016d}.spool").touch()  # as a crash leaves it between making it and writing to it
    async with opened(tmp_path) as spool:
        assert await taken(spool) == [b"whole"]
        assert (spool.damaged, spool.bytes_aside, spool.size) == (0, 0, 0)
    assert [path.name for path in (tmp_path / "0").iterdir()] == ["lock"]


async def test_what_the_release_before_has_acknowledged_is_drained(tmp_path: Path) -> None:
    key, folder = new_key(), tmp_path / "0"
    folder.mkdir()
    wrapped = await PROVIDER.wrap(key)
    head = b"TGSP\x01" + struct.pack(">H", len(wrapped)) + wrapped
    data = head + struct.pack(">I", zlib.crc32(head))
    for place, body in enumerate((b"one", b"two")):
        parcel = ParcelSealer(key).seal(body, struct.pack(">QI", 3, place))
        data += struct.pack(">II", len(parcel), zlib.crc32(parcel)) + parcel
    (folder / f"{3:016d}.spool").write_bytes(data)
    async with opened(tmp_path) as spool:
        await spool.append(b"three")
        assert 0 <= spool.oldest_seconds < AT_ALL
        assert await taken(spool) == [b"one", b"two", b"three"]
        assert [path.name for path in folder.iterdir()] == ["lock"]


async def test_a_file_that_cannot_be_read_at_a_start_holds_up_no_other(tmp_path: Path) -> None:
    path = await damage(tmp_path, (b"whole",), ())
    unreadable = path.with_name(f"{0:016d}.spool")
    unreadable.mkdir()
    async with opened(tmp_path) as spool:
        assert await taken(spool) == [b"whole"]
        assert spool.rejected == 1
    assert unreadable.with_suffix(".rejected").exists()


async def test_a_file_that_can_no_longer_be_read_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_LARGEST_CHUNK", 1)
    async with opened(tmp_path) as spool:
        for body in (b"first", b"second", b"third"):
            await spool.append(body)
        path = files(tmp_path)[1]
        path.unlink()
        path.symlink_to("/proc/self/mem")  # whose beginning gives EIO
        with capture_logs() as lines:
            assert await taken(spool) == [b"first", b"third"]
        assert [(line["event"], line["file"]) for line in lines] == [("spool_file_unreadable", path.name)]
        assert (spool.rejected, spool.entries) == (1, 0)
        assert path.with_suffix(".rejected").is_symlink()


async def test_a_process_without_descriptors_gives_no_file_up(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append(b"kept")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                await spool.oldest()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert await taken(spool) == [b"kept"]


async def test_a_file_that_cannot_be_removed_is_not_run_again_and_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append(b"run once by this process")
        oldest = await spool.oldest()
        assert oldest is not None
        away = (tmp_path / "0").rename(tmp_path / "away")
        with capture_logs() as lines:
            await spool.remove(oldest.path)
        assert [line["event"] for line in lines] == ["spool_file_stays"]
        assert await spool.oldest() is None
        away.rename(tmp_path / "0")
    async with opened(tmp_path) as spool:
        assert await taken(spool) == [b"run once by this process"]


async def test_a_file_that_shrinks_while_the_process_runs_is_noticed(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append(b"first")
        (path,) = files(tmp_path)
        size = path.stat().st_size
        await spool.append(b"second")
        os.truncate(path, size)
        assert await taken(spool) == [b"first"]
        assert spool.damaged == 1


async def test_a_disk_that_refuses_is_full_until_it_takes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_TRY_SECONDS", 0.05)
    async with opened(tmp_path) as spool:
        assert not spool.full
        away = (tmp_path / "0").rename(tmp_path / "away")
        with pytest.raises(SpoolFull):
            await spool.append(b"refused")
        assert spool.full
        away.rename(tmp_path / "0")
        async with asyncio.timeout(AT_ALL):
            while spool.full:
                await asyncio.sleep(0.01)
        await spool.append(b"taken")
        assert await taken(spool) == [b"taken"]


async def test_what_is_put_aside_counts_until_it_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "_LOOK_SECONDS", 0.0)
    path = await damage(tmp_path, (bytes(1_500),), (0,))
    async with opened(tmp_path, most=2_000) as spool:
        assert await taken(spool) == []
        with pytest.raises(SpoolFull):
            await spool.append(bytes(1_000))
        path.with_suffix(".damaged").unlink()
        await spool.look_around()
        await spool.append(bytes(1_000))
    async with opened(tmp_path, most=2_000) as spool:
        assert await taken(spool) == [bytes(1_000)]


async def test_what_a_process_left_is_taken_over_by_one_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_LOOK_SECONDS", 0.0)
    stranger = LocalMasterKey(new_key())
    async with opened(tmp_path) as here, opened(tmp_path, provider=stranger) as other:
        async with opened(tmp_path) as gone:
            await gone.append(b"left")
            await looks_twice(here)
            assert here.entries == 0
        await looks_twice(other)
        assert other.entries == 0
        await here.append(b"own")
        await looks_twice(here)
        assert here.entries == 1
        assert await taken(here) == [b"own"]
        await looks_twice(here)
        assert await taken(here) == [b"left"]
        await here.append(b"new")
        assert await taken(here) == [b"new"]
        async with opened(tmp_path) as again:
            await again.append(b"the folder is free")
            assert files(tmp_path, "2")


async def test_who_only_starts_again_finds_what_it_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "_LOOK_SECONDS", 0.0)
    async with opened(tmp_path) as here:
        for _ in range(2):
            async with opened(tmp_path) as restarts:
                await restarts.append(b"left")
            await here.look_around()
            assert here.entries == 0
            async with opened(tmp_path) as back:
                await here.look_around()
                assert await taken(back) == [b"left"]


async def looks_twice(spool: Spool) -> None:
    """Look as one that runs does: whoever was gone the time before is gone for good."""
    for _ in range(2):
        await spool.look_around()


async def test_the_age_of_the_oldest_is_told_also_after_a_restart(tmp_path: Path) -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    spool = await Spool.open(tmp_path, PROVIDER, most_bytes=ROOM, clock=lambda: now[0])
    assert spool.oldest_seconds == 0
    await spool.append(b"first")
    now[0] += timedelta(seconds=90)
    await spool.append(b"second")
    assert spool.oldest_seconds == 90
    await spool.close()
    spool = await Spool.open(tmp_path, PROVIDER, most_bytes=ROOM, clock=lambda: now[0])
    assert spool.oldest_seconds == 90
    await taken(spool)
    assert spool.oldest_seconds == 0
    await spool.close()


async def test_what_another_master_key_has_sealed_is_not_passed_over(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append(b"body")
    with pytest.raises(Unreadable, match="another master key: set that one, or name it in TAGWAY_PREVIOUS_MASTER_KEY"):
        await Spool.open(tmp_path, LocalMasterKey(new_key()), most_bytes=ROOM)
    async with opened(tmp_path) as spool:
        assert await taken(spool) == [b"body"]


async def test_it_is_bounded_and_takes_more_once_there_is_room(tmp_path: Path) -> None:
    async with opened(tmp_path, most=2_000) as spool:
        await spool.append(bytes(1_500))
        assert not spool.full
        with pytest.raises(SpoolFull):
            await spool.append(bytes(1_000))
        assert spool.full, "though there is room for a smaller one"
        assert await taken(spool) == [bytes(1_500)]
        assert not spool.full
        await spool.append(bytes(1_000))


async def test_processes_side_by_side_have_folders_of_their_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as one, opened(tmp_path) as two:
        await one.append(b"one")
        await two.append(b"two")
        assert await taken(one) == [b"one"]
        assert await taken(two) == [b"two"]


async def test_a_long_spool_is_many_files_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "_LARGEST_CHUNK", 1_000)
    bodies = [bytes([number]) * 400 for number in range(12)]
    async with opened(tmp_path) as spool:
        for body in bodies:
            await spool.append(body)
        assert len(files(tmp_path)) > 3
        assert await taken(spool) == bodies


async def test_what_is_put_aside_is_tried_again_by_the_next_process(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append(b"poison")
        oldest = await spool.oldest()
        assert oldest is not None
        await spool.reject(oldest.path)
        assert (spool.entries, await spool.oldest()) == (0, None)
    async with opened(tmp_path) as spool:
        assert await taken(spool) == [b"poison"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KB, which only root can make."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "x", disk], check=False).returncode
    ):
        pytest.skip("a small disk can be mounted by root only")
    yield disk
    subprocess.run(["umount", disk], check=True)


async def test_a_full_disk_refuses_and_keeps_what_it_has_acknowledged(small_disk: Path) -> None:
    kept: list[bytes] = []
    async with opened(small_disk) as spool:
        for number in range(40):
            body = bytes([number]) * 20_000
            try:
                await spool.append(body)
            except SpoolFull:
                continue
            kept.append(body)
        assert 2 < len(kept) < 40
        assert spool.full
    async with opened(small_disk) as spool:
        assert await taken(spool) == kept
        await spool.append(b"there is room again")
        assert await taken(spool) == [b"there is room again"]
