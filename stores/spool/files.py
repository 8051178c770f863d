"""The files of the spool that wait to be emptied, and what becomes of those that are damaged."""

import asyncio
import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from privacy.keys import KeyProvider
from privacy.parcel import ParcelSealer
from privacy.sealing import Unreadable
from stores.spool import chunk
from stores.spool.content import Content, Damage, lost
from stores.spool.folder import DAMAGED, REJECTED, Folder

_PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR})
"""Failures to read that say nothing about the file."""
_STRETCHES_TOLD: Final = 8

_LOG = structlog.get_logger(__name__)


class Waiting(msgspec.Struct, frozen=True):
    """The oldest file of the spool: its bodies in order, without those that are lost."""

    path: Path
    bodies: tuple[bytes, ...]


@dataclass
class File:
    """A file that waits."""

    folder: Folder
    number: int
    sealer: ParcelSealer | None
    """None where its key could not be read."""
    begun: float
    size: int
    entries: int
    damage: Sequence[Damage] = ()


class Files:
    """All files that wait, the oldest first. Not to be changed by two tasks at a time."""

    def __init__(self, provider: KeyProvider) -> None:
        self.damaged = 0
        """How many requests could not be read back, since this process runs."""
        self.rejected = 0
        """How many files were put aside until the next start, since this process runs."""
        self._provider = provider
        self._files: dict[Path, File] = {}

    @property
    def entries(self) -> int:
        """How many bodies are in them, those included that are lost."""
        return sum(file.entries for file in self._files.values())

    @property
    def size(self) -> int:
        """How many bytes they have."""
        return sum(file.size for file in self._files.values())

    @property
    def begun(self) -> float | None:
        """When the oldest was begun, in seconds since 1970."""
        return min((file.begun for file in self._files.values()), default=None)

    @property
    def first(self) -> File | None:
        """Show the oldest."""
        return next(iter(self._files.values()), None)

    def put(self, file: File) -> None:
        """Take in a file behind the others, or what it has become."""
        self._files[file.folder.path_of(file.number)] = file

    async def take_over(self, folder: Folder) -> int:
        """Take in all that waits in a folder, and say how many files that are.

        Raises `Unreadable` for what another master key has sealed, `StoreUnavailable` and `OSError`.
        """
        found = [file for number in folder.numbers() if (file := await self._find(folder, number)) is not None]
        for file in found:
            self.put(file)
        return len(found)

    def holds_of(self, folder: Folder) -> bool:
        """Tell whether something of a folder waits."""
        return any(file.folder is folder for file in self._files.values())

    async def read(self, file: File) -> Waiting | None:
        """Read a file; None for one that was put aside since it cannot be. Raises `OSError` where none could."""
        path = file.folder.path_of(file.number)
        content = await self._read(file.folder, file.number, file.size)
        if content is None:
            del self._files[path]
            return None
        bodies, damage = chunk.open_parcels(content, file.number, file.sealer)
        if (missing := file.entries - len(bodies) - lost(damage)) > 0:
            damage.append(Damage(file.size, file.size, missing))
        self._tell(file, damage)
        return Waiting(path, tuple(bodies))

    async def remove(self, path: Path) -> None:
        """Forget a file whose bodies have all had their effect. One of which something is lost is put aside."""
        file = self._files.pop(path)
        if lost(file.damage):
            await _leave(path, file.folder.put_aside, file.number, DAMAGED)
        else:
            await _leave(path, file.folder.remove, file.number)

    async def reject(self, path: Path) -> None:
        """Put a file aside, until the next start, because something in it cannot be taken."""
        file = self._files.pop(path)
        await self._reject(file.folder, file.number)

    async def _find(self, folder: Folder, number: int) -> File | None:
        path = folder.path_of(number)
        content = await self._read(folder, number)
        if content is None:
            return None
        try:
            key = None if content.wrapped_key is None else await self._provider.unwrap(content.wrapped_key)
        except Unreadable:
            raise Unreadable(
                f"{path} was sealed under another master key: set that one, or name it in TAGWAY_PREVIOUS_MASTER_KEY"
            ) from None
        state = await asyncio.to_thread(path.stat)
        sealer = None if key is None else ParcelSealer(key)
        return File(folder, number, sealer, content.begun or state.st_mtime, state.st_size, content.entries)

    async def _read(self, folder: Folder, number: int, most: int | None = None) -> Content | None:
        """Read a file; None for one that was put aside since it cannot be."""
        try:
            return await asyncio.to_thread(chunk.read, folder.path_of(number), most)
        except OSError as error:
            if error.errno in _PASSING:
                raise
            _LOG.error("spool_file_unreadable", **_named(folder.path_of(number)), number=error.errno)
            await self._reject(folder, number)
            return None

    async def _reject(self, folder: Folder, number: int) -> None:
        self.rejected += 1
        await _leave(folder.path_of(number), folder.put_aside, number, REJECTED)

    def _tell(self, file: File, damage: Sequence[Damage]) -> None:
        """Count and log damage once, though a file may be read again and again until the stores are back."""
        if damage and damage != file.damage:
            self.damaged += max(0, lost(damage) - lost(file.damage))
            file.damage = damage
            stretches = [f"{each.start}-{each.end}" for each in damage[:_STRETCHES_TOLD]]
            name = _named(file.folder.path_of(file.number))
            _LOG.error("spool_file_damaged", **name, bytes=stretches, stretches=len(damage), lost=lost(damage))


async def _leave(path: Path, change: Callable[..., None], *arguments: Any) -> None:
    """Change a file that is done with. A disk that refuses even this may not have it run again and again."""
    try:
        await asyncio.to_thread(change, *arguments)
    except OSError as error:
        _LOG.error("spool_file_stays", **_named(path), number=error.errno)


def _named(path: Path) -> dict[str, str]:
    return {"folder": path.parent.name, "file": path.name}
