"""The file of the spool that is being written."""

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from stores.spool import chunk
from stores.spool.chunk import Seal
from stores.spool.folder import Folder


class Writer:
    """Appends bodies to one file, and has each of them on the disk when it returns. Used by one thread at a time."""

    def __init__(self, number: int, descriptor: int, seal: Seal, begun: float) -> None:
        self.number = number
        self.begun = begun
        self.entries = 0
        self.size = 0
        self._descriptor = descriptor
        self._seal = seal

    @classmethod
    def begin(cls, folder: Folder, number: int, seal: Seal, begun: float) -> Self:
        """Make the file of a number. Raises `OSError`."""
        return cls(number, folder.create(number), seal, begun)

    def append(self, bodies: Sequence[bytes]) -> None:
        """Add bodies. Raises `OSError`; then the file is closed, cut back to what it held before."""
        data = chunk.pack(self.number, self.entries, bodies, self._seal, self.begun)
        if not self.size:
            data = self._seal.frame(0, self.begun) + data
        try:
            _write_whole(self._descriptor, data)
            os.fdatasync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
                os.fsync(self._descriptor)
            self.close()
            raise
        self.size += len(data)
        self.entries += len(bodies)

    def close(self) -> None:
        """Write it no further."""
        os.close(self._descriptor)


def _write_whole(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
