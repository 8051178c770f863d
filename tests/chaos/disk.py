"""A disk of its own, in memory, that can be full for a while."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, Self

_PAGE: Final = 4_096
_AGAIN: Final = 0.1
"""Seconds after which what was freed meanwhile is taken as well."""


class Disk:
    """It holds so many megabytes, and takes only the memory of what lies on it: it is full by being made smaller."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self._size = megabytes * 1024 * 1024

    @contextmanager
    def mounted(self) -> Iterator[Self]:
        """Have it in its folder. Raises `OSError` where that is not allowed."""
        _run("mount", "-t", "tmpfs", "-o", f"size={self._size}", "tagway", str(self.folder))
        try:
            yield self
        finally:
            _run("umount", "--lazy", str(self.folder))

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        """Leave no room on it."""
        shrinking = asyncio.create_task(self._keep_full())
        try:
            yield
        finally:
            shrinking.cancel()
            await asyncio.wait([shrinking])
            self._resize(self._size)

    async def _keep_full(self) -> None:
        while True:
            found = os.statvfs(self.folder)
            used = (found.f_blocks - found.f_bfree) * found.f_frsize
            try:
                self._resize(max(used, _PAGE))  # none at all would mean no bound
            except OSError:
                continue  # more was written meanwhile
            await asyncio.sleep(_AGAIN)

    def _resize(self, size: int) -> None:
        _run("mount", "-o", f"remount,size={size}", str(self.folder))


def can_mount() -> bool:
    """Tell whether this account may mount a disk."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with Disk(Path(folder), 1).mounted():
                return True
        except OSError:
            return False


def _run(program: str, *words: str) -> None:
    if shutil.which(program) is None:
        raise OSError(f"{program} is not installed")
    done = subprocess.run([program, *words], check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(done.stderr.strip() or f"{program} failed")
