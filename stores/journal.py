"""The erasure journal: a file beside the database that remembers, after an old backup was restored, who was erased.

One line of JSON per erasure, in random ids and blind indexes only; it is written before the erasure is committed, so a
line too many repeats an erasure and none is ever missing. Keep it apart from the backups, and never restore it.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
import structlog

from domain.alias import Alias
from stores.disk import try_to_write

_LOG = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode


class Entry(msgspec.Struct, frozen=True, tag_field="v", tag=1):
    """One erasure: also the value of a record of the topic `tagway.erasures`."""

    workspace: UUID
    request: UUID | None
    subjects: tuple[UUID, ...]
    aliases: tuple[Alias, ...]
    at: datetime


_decode = msgspec.json.Decoder(Entry).decode

encode_entry: Final = _encode
decode_entry: Final = _decode
"""One line without its end → `Entry`; raises `msgspec.DecodeError` or `msgspec.ValidationError`."""


class Journal:
    """The file at `path`, readable by its owner only. Many processes may append."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def append(self, entry: Entry) -> None:
        """Return once the entry is on the disk. Raises `OSError`."""
        await asyncio.to_thread(self._append, _encode(entry))

    @property
    def exists(self) -> bool:
        """Whether the file is there: it is from the first start on, unless it was lost."""
        return self._path.exists()

    async def complete(self, entries: Iterable[Entry]) -> None:
        """Make the file if it is not there, and append what it lacks. Raises `OSError`."""
        await asyncio.to_thread(self._append, b"\n".join(map(_encode, entries)))

    def read(self) -> Iterator[Entry]:
        """Walk the entries in the order of their erasures. Raises `OSError`.

        A line that a crash has cut was never acknowledged to anyone: it is passed over.
        """
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield _decode(line)
                except msgspec.DecodeError:
                    if line.strip():
                        _LOG.warning("journal_line_cut", line=number)

    def try_to_write(self) -> None:
        """Find out whether an entry could be written, and leave everything as it is. Raises `OSError`."""
        if self._path.exists():
            os.close(os.open(self._path, os.O_RDWR | os.O_APPEND))
        else:
            try_to_write(self._path.parent)

    def _append(self, line: bytes) -> None:
        is_new = not self._path.exists()
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line  # the last writer was cut off in the middle of its line
            if line:
                _write_whole(descriptor, line + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(self._path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable, as its content is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
