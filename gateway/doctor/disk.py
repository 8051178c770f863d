"""Whether what a process must be able to write can be written, tried without leaving anything."""

import asyncio
import shutil

from gateway.doctor.finding import Finding
from gateway.provider import open_provider
from gateway.replay import open_journal
from gateway.settings import Settings
from stores.disk import try_to_write
from stores.spool.folder import DAMAGED, REJECTED, WAITING
from stores.spool.trial import find_closed


async def check_spool(settings: Settings) -> str:
    """Try the folder and the keys of what waits in it, and compare what it may grow to with the room there is."""
    if not settings.spool_megabytes:
        return "off: without the log or Postgres events are refused"
    folder = settings.spool_folder
    place = folder
    try:
        if not folder.exists():
            place = next(parent for parent in folder.absolute().parents if parent.exists())
        await asyncio.to_thread(try_to_write, place)
    except OSError as error:
        raise Finding(f"{place} cannot be written ({error.strerror}): set TAGWAY_SPOOL") from None
    free = shutil.disk_usage(place).free // 1_000_000
    if free < settings.spool_megabytes:
        raise Finding(f"{folder} may grow to {settings.spool_megabytes:,} MB, and its disk has {free:,} MB left")
    if any(folder.glob(f"*/*{WAITING}")) or any(folder.glob(f"*/*{REJECTED}")):
        async with open_provider(settings) as provider:
            closed = await find_closed(folder, provider)
        if closed:
            raise Finding(
                f"{len(closed):,} files were sealed under another master key, as {closed[0]}, and no gateway starts "
                "with them: set that key, or name it in TAGWAY_PREVIOUS_MASTER_KEY"
            )
    waiting = sum(path.stat().st_size for path in folder.glob(f"*/*{WAITING}")) // 1_000
    aside = [path.lstat().st_size for kind in (REJECTED, DAMAGED) for path in folder.glob(f"*/*{kind}")]
    told = f", {len(aside)} files of {sum(aside) // 1_000:,} KB are put aside and take room from it" if aside else ""
    return f"{waiting:,} KB wait in {folder}{told}"


async def check_journal(settings: Settings) -> str:
    """Try whether the next erasure could be written down: without that, none is carried out."""
    journal = open_journal(settings)
    if journal is None:
        return "none: a restored backup may bring erased people back"
    try:
        await asyncio.to_thread(journal.try_to_write)
    except OSError as error:
        raise Finding(
            f"{settings.erasure_journal} cannot be written ({error.strerror}), so that no erasure is carried out: "
            "set TAGWAY_ERASURE_JOURNAL"
        ) from None
    return f"{settings.erasure_journal} can be written" + ("" if journal.exists else ", and is not there yet")
