import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from privacy.keys import LocalMasterKey, new_key
from privacy.sealing import Unreadable
from stores.spool import spool as spool_module
from stores.spool.spool import Spool, SpoolFull

PROVIDER = LocalMasterKey(bytes(32))
ROOM = 1_000_000


@asynccontextmanager
async def opened(root: Path, most: int = ROOM, provider: LocalMasterKey = PROVIDER) -> AsyncIterator[Spool]:
    spool = await Spool.open(root, provider, most_bytes=most)
    try:
        yield spool
    finally:
        await spool.close()


async def taken(spool: Spool) -> list[bytes | None]:
    """Take out everything, the oldest first."""
    bodies: list[bytes | None] = []
    while oldest := await spool.oldest():
        bodies += oldest.bodies
        await spool.remove(oldest.number)
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


async def test_an_end_that_a_crash_has_cut_off_costs_what_was_not_acknowledged(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append(b"whole")
        kept = files(tmp_path)[0].stat().st_size
        await spool.append(b"cut")
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    for length in range(kept, len(whole)):
        path.write_bytes(whole[:length])
        async with opened(tmp_path) as spool:
            oldest = await spool.oldest()
            assert oldest is not None
            assert oldest.bodies == (b"whole",)


async def test_a_damaged_body_is_told_and_those_behind_it_come_through(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        for body in (b"first", b"second", b"third"):
            await spool.append(body)
    (path,) = files(tmp_path)
    data = bytearray(path.read_bytes())
    data[-(len(data) - path.stat().st_size + 60)] ^= 1  # within the second of three parcels of some forty bytes
    path.write_bytes(data)
    async with opened(tmp_path) as spool:
        assert await taken(spool) == [b"first", None, b"third"]


async def test_a_parcel_that_was_moved_does_not_open(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append(b"body")
    (path,) = files(tmp_path)
    path.rename(path.with_name(f"{7:016d}.spool"))
    async with opened(tmp_path) as spool:
        assert await taken(spool) == [None]


async def test_what_another_master_key_has_sealed_is_not_passed_over(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append(b"body")
    with pytest.raises(Unreadable, match="another master key"):
        await Spool.open(tmp_path, LocalMasterKey(new_key()), most_bytes=ROOM)
    async with opened(tmp_path) as spool:
        assert await taken(spool) == [b"body"]


async def test_it_is_bounded_and_takes_more_once_there_is_room(tmp_path: Path) -> None:
    async with opened(tmp_path, most=2_000) as spool:
        await spool.append(bytes(1_500))
        with pytest.raises(SpoolFull):
            await spool.append(bytes(1_000))
        assert await taken(spool) == [bytes(1_500)]
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
        await spool.reject(oldest.number)
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
    async with opened(small_disk) as spool:
        assert await taken(spool) == kept
        await spool.append(b"there is room again")
        assert await taken(spool) == [b"there is room again"]
