"""The doctor finds disks that take nothing, and leaves nothing on those that do."""

from pathlib import Path

import msgspec
import pytest

from gateway.doctor.disk import check_spool
from gateway.settings import Settings
from privacy.keys import LocalMasterKey
from stores.spool.spool import Spool
from tests.fixtures.doctor import OTHER_KEY, examine


async def test_a_spool_without_room_is_found(settings: Settings) -> None:
    well, (wrong,) = await examine(msgspec.structs.replace(settings, spool_megabytes=1_000_000))
    assert not well
    assert "may grow to 1,000,000 MB" in wrong


async def test_what_the_spool_has_put_aside_is_told(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "spool" / "0"
    folder.mkdir(parents=True)
    for suffix in ("spool", "rejected", "damaged"):
        (folder / f"{1:016d}.{suffix}").write_bytes(bytes(3_000))
    told = await check_spool(msgspec.structs.replace(settings, spool=folder.parent))
    assert told == f"3 KB wait in {folder.parent}, 2 files of 6 KB are put aside and take room from it"


@pytest.mark.parametrize("suffix", [".spool", ".rejected"])
async def test_a_spool_that_was_sealed_under_another_master_key_is_found(
    settings: Settings, tmp_path: Path, suffix: str
) -> None:
    spool = await Spool.open(tmp_path / "spool", LocalMasterKey(OTHER_KEY), most_bytes=1_000_000)
    await spool.append(bytes(100_000))
    await spool.close()
    [path] = (tmp_path / "spool").glob("*/*.spool")
    path = path.rename(path.with_suffix(suffix))
    well, (wrong,) = await examine(settings)
    assert not well
    assert f"spool: 1 files were sealed under another master key, as {path}" in wrong
    previous = msgspec.structs.replace(settings, previous_master_key=OTHER_KEY.hex())
    assert await examine(previous) == (True, [])


async def test_a_journal_that_cannot_be_written_is_found_and_one_that_can_is_left_alone(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    for place in (folder, folder / "missing" / "erasures.jsonl", Path("/proc/erasures.jsonl")):
        well, (wrong,) = await examine(msgspec.structs.replace(settings, erasure_journal=place))
        assert not well
        assert f"erasure journal: {place} cannot be written (" in wrong
    journal = folder / "erasures.jsonl"
    good = msgspec.structs.replace(settings, erasure_journal=journal)
    assert await examine(good) == (True, [])
    assert list(folder.iterdir()) == []
    journal.write_bytes(b"{}\n")
    as_it_was = journal.stat()
    assert await examine(good) == (True, [])
    assert journal.stat() == as_it_was
    assert list(folder.iterdir()) == [journal]


async def test_a_spool_that_can_be_written_is_left_alone_and_a_file_in_its_place_is_found(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    assert await examine(msgspec.structs.replace(settings, spool=folder)) == (True, [])
    assert list(folder.iterdir()) == []
    (folder / "file").touch()
    _, (wrong,) = await examine(msgspec.structs.replace(settings, spool=folder / "file"))
    assert f"spool: {folder / 'file'} cannot be written" in wrong
